defmodule Conformance.Player do
  @moduledoc """
  Plays the steps of one scenario, each to the end of all that it sets off, and writes down what the client saw and
  what happened in the processes' lives.
  """
  alias Conformance.{Collector, Dynamic, Reasons, Scripted, Static}

  @doc "Play a scenario in a process of its own, and clean up after it."
  def play(scenario, slot) do
    {:ok, collector} = GenServer.start(Collector, nil)

    {client, ref} =
      spawn_monitor(fn ->
        Process.flag(:trap_exit, true)
        Collector.client(collector)
        ctx = %{collector: collector, slot: slot, client: self()}
        exit({:played, Enum.map(scenario["steps"], &line(ctx, &1, scenario["ordered"]))})
      end)

    trace =
      receive do
        {:DOWN, ^ref, :process, _, {:played, trace}} -> trace
        {:DOWN, ^ref, :process, _, reason} -> "the player failed: #{inspect(reason)}"
      after
        scenario["patience"] || 20_000 ->
          Process.exit(client, :kill)
          "the player hung: #{inspect(Collector.look(collector))}"
      end

    clean_up(collector)
    GenServer.stop(collector)
    %{"id" => scenario["id"], "trace" => trace}
  end

  defp line(ctx, step, ordered) do
    saw = step(ctx, step)
    settle(ctx, nil, 0)
    mail(ctx)
    {events, asides} = Collector.take(ctx.collector)
    asides = Enum.sort(asides)
    then = if ordered, do: events ++ asides, else: Enum.sort(events ++ asides)
    %{"saw" => saw, "then" => then}
  end

  defp mail(ctx) do
    receive do
      {{:settle, _}, _} ->
        mail(ctx)

      message ->
        Collector.aside(ctx.collector, "client got " <> message(ctx, message))
        mail(ctx)
    after
      0 -> :ok
    end
  end

  # Quiet is when everybody has answered three times and nothing has happened meanwhile. What was sent to a process
  # before our question is handled before its answer; nobody sleeps here and hopes. Who is made to wait by the
  # scenario says so before he does, and is not waited for.
  defp settle(_, _, 3), do: :ok

  defp settle(ctx, before, rounds) do
    look = Collector.look(ctx.collector)
    for pid <- look.asked, each <- [pid | partitions(pid)], do: answered(ctx, each)
    Enum.each(look.background, &at_rest/1)
    now = Collector.look(ctx.collector)
    quiet = now.version == before and Enum.all?(now.living, &Process.alive?/1)
    settle(ctx, now.version, if(quiet, do: rounds + 1, else: 0))
  end

  defp answered(ctx, pid) do
    ref = Process.monitor(pid)
    send(pid, {:system, {self(), {:settle, ref}}, :get_state})
    answer(ctx, pid, ref)
    Process.demonitor(ref, [:flush])
  end

  defp answer(ctx, pid, ref) do
    receive do
      {{:settle, ^ref}, _} -> :ok
      {:DOWN, ^ref, _, _, _} -> :ok
    after
      1 -> if pid not in Collector.look(ctx.collector).waiting, do: answer(ctx, pid, ref)
    end
  end

  # Who waits for a module to be loaded, as whoever is the first to raise does, is not at rest.
  defp at_rest(pid) do
    case Process.info(pid, [:status, :current_function]) do
      [status: :waiting, current_function: {module, _, _}] when module != :code_server ->
        :ok

      nil ->
        :ok

      _ ->
        :erlang.yield()
        at_rest(pid)
    end
  end

  defp partitions(pid) do
    case Process.info(pid, :dictionary) do
      {:dictionary, words} ->
        if words[:"$initial_call"] == {:supervisor, Registry.Supervisor, 1},
          do: for({_, child, _, _} <- children_of(pid), is_pid(child), do: child),
          else: []

      nil ->
        []
    end
  end

  defp children_of(pid) do
    Supervisor.which_children(pid)
  catch
    :exit, _ -> []
  end

  defp clean_up(collector) do
    %{living: living, asked: asked, background: background} = Collector.look(collector)

    if living != [] or asked != [] or background != [] do
      for pid <- Enum.uniq(living ++ asked ++ background), Process.alive?(pid) do
        ref = Process.monitor(pid)
        Process.exit(pid, :kill)

        receive do
          {:DOWN, ^ref, _, _, _} -> :ok
        end
      end

      if Enum.any?(Collector.look(collector).living, &Process.alive?/1), do: clean_up(collector)
    end
  end

  # --- one step. What goes wrong is told; `step!` lets exits through.

  def step(ctx, step) do
    step!(ctx, step)
  catch
    :exit, {reason, {module, _, _}} when module in [GenServer, :gen_server, :sys, :gen] ->
      "exit:" <> word(ctx, reason)

    :exit, reason ->
      "exit:" <> word(ctx, reason)

    :error, _ ->
      "raise"
  end

  def step!(ctx, ["start", spec]) do
    label = spec["id"]
    before = Collector.pid_of(ctx.collector, label)

    started =
      case {spec["is"] || "server", spec["link"]} do
        {"dynamic", _} -> Dynamic.start_link(ctx, spec)
        {"static", _} -> Static.start_link(ctx, spec)
        {"server", false} -> Scripted.boot(:start, nil, ctx, spec)
        {"server", _} -> Scripted.boot(:start_link, nil, ctx, spec)
      end

    # A failed start also sends an exit signal, which regrow never does.
    pid = Collector.pid_of(ctx.collector, label)

    with true <- pid != before, false <- match?({:ok, _}, started) do
      receive do
        {:EXIT, ^pid, _} -> :ok
      after
        0 -> :ok
      end
    end

    outcome(ctx, started)
  end

  def step!(ctx, ["start_child", sup, spec]) do
    target = target(ctx, sup)
    module = if GenServer.whereis(target), do: kind(ctx, target), else: DynamicSupervisor
    outcome(ctx, module.start_child(target, child_spec(ctx, spec)))
  end

  def step!(ctx, ["terminate_child", sup, child]) do
    target = target(ctx, sup)
    module = kind(ctx, target)
    child = if module == DynamicSupervisor, do: target(ctx, child), else: child
    outcome(ctx, module.terminate_child(target, child))
  end

  def step!(ctx, ["restart_child", sup, id]), do: outcome(ctx, Supervisor.restart_child(target(ctx, sup), id))
  def step!(ctx, ["delete_child", sup, id]), do: outcome(ctx, Supervisor.delete_child(target(ctx, sup), id))

  def step!(ctx, ["count", sup]) do
    counts = Supervisor.count_children(target(ctx, sup))
    for key <- [:specs, :active, :supervisors, :workers], do: counts[key]
  end

  def step!(ctx, ["which", sup]) do
    target = target(ctx, sup)
    rows = for {id, child, type, _} <- Supervisor.which_children(target), do: [name_of(id), shown(ctx, child), type]
    if kind(ctx, target) == DynamicSupervisor, do: Enum.sort(rows), else: rows
  end

  def step!(ctx, ["spec", sup, id]) do
    case :supervisor.get_childspec(target(ctx, sup), id) do
      {:ok, spec} -> [spec.restart, spec.shutdown, spec.type, spec.significant]
      {:error, reason} -> "error:" <> word(ctx, reason)
    end
  end

  def step!(ctx, ["change", sup, spec]) do
    pid = GenServer.whereis(target(ctx, sup))
    [label | _] = String.split(Collector.label_of(ctx.collector, pid), "#")
    Collector.reconfigure(ctx.collector, label, spec)
    module = if kind(ctx, pid) == DynamicSupervisor, do: DynamicSupervisor, else: :supervisor
    :ok = :sys.suspend(pid)
    changed = :sys.change_code(pid, module, nil, nil)
    :ok = :sys.resume(pid)
    outcome(ctx, changed)
  end

  def step!(ctx, ["call", to, command]), do: GenServer.call(target(ctx, to), command)
  def step!(ctx, ["call", to, command, time]), do: GenServer.call(target(ctx, to), command, time(time))
  def step!(ctx, ["cast", to, command]), do: outcome(ctx, GenServer.cast(target(ctx, to), command))

  def step!(ctx, ["send", to, message]) do
    case target(ctx, to) do
      {:via, module, term} -> module.send(term, message)
      target -> send(target, message)
    end

    "ok"
  end

  def step!(ctx, ["stop", to]), do: outcome(ctx, GenServer.stop(target(ctx, to)))
  def step!(ctx, ["stop", to, reason]), do: outcome(ctx, GenServer.stop(target(ctx, to), Reasons.term(reason)))

  def step!(ctx, ["stop", to, reason, time]),
    do: outcome(ctx, GenServer.stop(target(ctx, to), Reasons.term(reason), time))

  def step!(ctx, ["sys_stop", to, reason]), do: outcome(ctx, :sys.terminate(target(ctx, to), Reasons.term(reason)))
  def step!(ctx, ["suspend", to]), do: outcome(ctx, :sys.suspend(target(ctx, to)))
  def step!(ctx, ["resume", to]), do: outcome(ctx, :sys.resume(target(ctx, to)))
  def step!(ctx, ["state", of]), do: :sys.get_state(target(ctx, of)).value

  def step!(ctx, ["set_state", of, value]),
    do: :sys.replace_state(target(ctx, of), &%{&1 | value: value}).value

  # --- processes

  def step!(ctx, ["exit", to, reason]) do
    Process.exit(pid(ctx, to), Reasons.term(reason))
    "ok"
  end

  def step!(ctx, ["link", to]) do
    Process.link(pid(ctx, to))
    "ok"
  rescue
    ErlangError -> "error:noproc"
  end

  def step!(ctx, ["unlink", to]), do: Process.unlink(pid(ctx, to)) && "ok"

  def step!(ctx, ["monitor", to]) do
    Process.put({:monitor, to}, Process.monitor(target(ctx, to)))
    "ok"
  end

  def step!(_, ["demonitor", to]), do: Process.demonitor(Process.get({:monitor, to}), [:info])
  def step!(_, ["demonitor", to, "flush"]), do: Process.demonitor(Process.get({:monitor, to}), [:info, :flush])
  def step!(_, ["trap", on]), do: Process.flag(:trap_exit, on)
  def step!(ctx, ["alive", of]), do: Process.alive?(pid(ctx, of))
  def step!(ctx, ["register", to, name]), do: Process.register(pid(ctx, to), name(ctx, name)) && "ok"
  def step!(ctx, ["unregister", name]), do: Process.unregister(name(ctx, name)) && "ok"
  def step!(ctx, ["whereis", to]), do: shown(ctx, GenServer.whereis(target(ctx, to)))

  # --- registries

  def step!(ctx, ["registry", label, options]) do
    name = name(ctx, label)
    listeners = for each <- options["listeners"] || [], do: name(ctx, each)
    keys = String.to_atom(options["keys"])

    case Registry.start_link(keys: keys, name: name, listeners: listeners, partitions: options["partitions"] || 1) do
      {:ok, pid} ->
        Collector.silent(ctx.collector, pid, label)

        for {child, at} <- Enum.with_index(partitions(pid)),
            do: Collector.silent(ctx.collector, child, "#{label}.#{at}")

        label

      {:error, reason} ->
        "error:" <> word(ctx, reason)
    end
  end

  def step!(ctx, ["reg", registry, key, value]),
    do: outcome(ctx, registered(Registry.register(name(ctx, registry), key, value)))

  def step!(ctx, ["unreg", registry, key]), do: outcome(ctx, Registry.unregister(name(ctx, registry), key))

  def step!(ctx, ["unreg_match", registry, key, value]),
    do: outcome(ctx, Registry.unregister_match(name(ctx, registry), key, value))

  def step!(ctx, ["lookup", registry, key]), do: entries(ctx, Registry.lookup(name(ctx, registry), key))
  def step!(ctx, ["match", registry, key, value]), do: entries(ctx, Registry.match(name(ctx, registry), key, value))
  def step!(ctx, ["keys", registry, of]), do: Enum.sort(Registry.keys(name(ctx, registry), pid(ctx, of)))

  def step!(ctx, ["values", registry, key, of]),
    do: Enum.sort(Registry.values(name(ctx, registry), key, pid(ctx, of)))

  def step!(ctx, ["entries", registry]), do: Registry.count(name(ctx, registry))

  def step!(ctx, ["update", registry, key, value]) do
    case Registry.update_value(name(ctx, registry), key, fn _ -> value end) do
      {new, old} -> [new, old]
      :error -> "not registered"
    end
  end

  def step!(ctx, ["dispatch", registry, key, message]) do
    outcome(ctx, Registry.dispatch(name(ctx, registry), key, &for({pid, _} <- &1, do: send(pid, message))))
  end

  def step!(ctx, ["put_meta", registry, key, value]),
    do: outcome(ctx, Registry.put_meta(name(ctx, registry), String.to_atom(key), value))

  def step!(ctx, ["meta", registry, key]) do
    case Registry.meta(name(ctx, registry), String.to_atom(key)) do
      {:ok, value} -> value
      :error -> "none"
    end
  end

  # --- the scenario itself

  def step!(_, ["wait", time]), do: Process.sleep(time) && "ok"

  def step!(ctx, ["release", label]), do: outcome(ctx, Collector.release(ctx.collector, label))
  def step!(ctx, ["gate", label, how]), do: outcome(ctx, Collector.gate(ctx.collector, label, how))

  def step!(ctx, ["background", label, step]) do
    pid =
      spawn(fn ->
        Process.flag(:trap_exit, true)
        saw = step(ctx, step)
        Collector.aside(ctx.collector, "#{label} saw #{Conformance.JSON.write(saw)}")
      end)

    Collector.background(ctx.collector, pid)
    "ok"
  end

  # --- what starts need

  @doc "What the `init` of a supervisor does, whose flags and children `make` puts together."
  def supervise(ctx, spec, make) do
    case Collector.started(ctx.collector, spec["id"]) do
      {:new, me, number} ->
        if spec["is"] == "dynamic", do: Collector.dynamic(ctx.collector)

        case Enum.at(spec["init"] || [], number - 1, "ok") do
          "ok" ->
            Collector.event(ctx.collector, "#{me} started")
            make.(spec, child_specs(ctx, spec), flags(spec))

          "ignore" ->
            Collector.event(ctx.collector, "#{me} ignored")
            :ignore
        end

      {:again, _} ->
        case Collector.override(ctx.collector, spec["id"]) do
          %{"ignore" => true} -> :ignore
          spec -> make.(spec, child_specs(ctx, spec), flags(spec))
        end
    end
  end

  def start_options(ctx, spec) do
    named =
      case spec do
        %{"name" => name} -> [name: name(ctx, name)]
        %{"via" => [registry, key]} -> [name: {:via, Registry, {name(ctx, registry), key}}]
        %{"via" => [registry, key, value]} -> [name: {:via, Registry, {name(ctx, registry), key, value}}]
        _ -> []
      end

    if spec["start_timeout"], do: [{:timeout, spec["start_timeout"]} | named], else: named
  end

  def atom(spec, key, default), do: if(spec[key], do: String.to_atom(spec[key]), else: default)

  defp flags(spec) do
    for key <- ~w(max_restarts max_seconds max_children), Map.has_key?(spec, key) do
      {String.to_atom(key), spec[key]}
    end ++
      if(spec["extra"], do: [extra_arguments: [spec["extra"]]], else: [])
  end

  defp child_specs(ctx, spec), do: Enum.map(spec["children"] || [], &child_spec(ctx, &1))

  defp child_spec(ctx, spec) do
    module = %{"dynamic" => Dynamic, "static" => Static, "server" => Scripted}[spec["is"] || "server"]
    given = for key <- ~w(restart type), spec[key], into: %{}, do: {String.to_atom(key), String.to_atom(spec[key])}
    given = if Map.has_key?(spec, "shutdown"), do: Map.put(given, :shutdown, time(spec["shutdown"])), else: given
    given = if spec["significant"], do: Map.put(given, :significant, true), else: given
    base = %{id: spec["id"], start: {module, :start_link, [ctx, spec]}}
    base = if module == Scripted, do: base, else: Map.put(base, :type, :supervisor)
    Map.merge(base, given)
  end

  defp time(word) when is_binary(word), do: String.to_atom(word)
  defp time(time), do: time

  # --- pids, names and words

  @doc "A message as an event tells it."
  def message(ctx, {:EXIT, pid, reason}), do: "exit #{label(ctx, pid)} #{word(ctx, reason)}"
  def message(ctx, {:DOWN, _, :process, {name, _}, reason}), do: "down @#{bare(name)} #{word(ctx, reason)}"
  def message(ctx, {:DOWN, _, :process, pid, reason}), do: "down #{label(ctx, pid)} #{word(ctx, reason)}"

  def message(ctx, {:register, name, key, pid, value}),
    do: "register #{bare(name)} #{key} #{label(ctx, pid)} #{Conformance.JSON.write(value)}"

  def message(ctx, {:unregister, name, key, pid}), do: "unregister #{bare(name)} #{key} #{label(ctx, pid)}"
  def message(_, :timeout), do: "timeout"
  def message(_, message) when is_binary(message) or is_list(message), do: Conformance.JSON.write(message)
  def message(_, _), do: "a stray message"

  defp name(ctx, name), do: :"slot#{ctx.slot} #{name}"
  defp bare(name), do: name |> to_string() |> String.split(" ", parts: 2) |> List.last()

  defp target(ctx, "@" <> name), do: name(ctx, name)

  defp target(ctx, "%" <> entry) do
    [registry, key] = String.split(entry, "/")
    {:via, Registry, {name(ctx, registry), key}}
  end

  defp target(ctx, "client"), do: ctx.client
  defp target(_, "self"), do: self()
  defp target(ctx, label), do: Collector.pid_of(ctx.collector, label) || raise(ArgumentError, "no process #{label}")

  defp pid(ctx, to), do: ctx |> target(to) |> GenServer.whereis()

  defp kind(ctx, target) do
    if Collector.dynamic?(ctx.collector, GenServer.whereis(target)), do: DynamicSupervisor, else: Supervisor
  end

  defp label(ctx, pid), do: Collector.label_of(ctx.collector, pid)
  defp word(ctx, reason), do: Reasons.word(reason, &label(ctx, &1))

  defp name_of(:undefined), do: nil
  defp name_of(id), do: id

  defp shown(ctx, pid) when is_pid(pid), do: label(ctx, pid)
  defp shown(_, :restarting), do: "restarting"
  defp shown(_, _), do: nil

  defp entries(ctx, rows), do: rows |> Enum.map(fn {pid, value} -> [label(ctx, pid), value] end) |> Enum.sort()

  defp registered({:ok, _}), do: :ok
  defp registered(error), do: error

  defp outcome(_, :ok), do: "ok"
  defp outcome(_, :ignore), do: "ignored"
  defp outcome(_, {:ok, :undefined}), do: nil
  defp outcome(ctx, {:ok, pid}) when is_pid(pid), do: label(ctx, pid)
  defp outcome(ctx, {:ok, pid, info}), do: "#{label(ctx, pid)} with #{info}"
  defp outcome(ctx, {:error, reason}), do: "error:" <> word(ctx, reason)
end
