defmodule Conformance.Scripted do
  @moduledoc """
  A server that behaves by script: how its starts go, what it does when it is told to end, and whatever the messages
  say that it gets. A message is a command, the same for a call, a cast and a plain message.
  """
  use GenServer
  alias Conformance.{Collector, Player, Reasons}

  # --- starting. `ctx` is what the scenario's processes know: the collector, and the slot that names are made of.

  def start_link(ctx, spec), do: start_link(nil, ctx, spec)

  def start_link(extra, ctx, spec) do
    case starting(ctx, spec) do
      "ok" -> boot(:start_link, extra, ctx, spec)
      "info" -> with {:ok, pid} <- boot(:start_link, extra, ctx, spec), do: {:ok, pid, :info}
      "garbage" -> :garbage
      ["error", reason] -> {:error, Reasons.term(reason)}
      ["raise", message] -> raise message
      ["exit", reason] -> exit(Reasons.term(reason))
    end
  end

  def boot(how, extra, ctx, spec),
    do: apply(GenServer, how, [__MODULE__, {ctx, spec, extra}, Player.start_options(ctx, spec)])

  defp starting(_, spec) when not is_map_key(spec, "starts"), do: "ok"
  defp starting(ctx, spec), do: Enum.at(spec["starts"], Collector.attempt(ctx.collector, spec["id"]) - 1, "ok")

  @impl true
  def init({ctx, spec, extra}) do
    if spec["trap"], do: Process.flag(:trap_exit, true)

    case Collector.started(ctx.collector, spec["id"]) do
      {:new, me, number} ->
        state = %{ctx: ctx, spec: spec, me: me, extra: extra, value: nil, kept: []}
        initial(Enum.at(spec["init"] || [], number - 1, "ok"), state)

      :gated ->
        {:stop, :gated}
    end
  end

  defp initial("ok", s) do
    tell(s, "started")
    if s.spec["self"], do: send(self(), s.spec["self"])

    case s.spec do
      %{"continue" => term} -> {:ok, s, {:continue, term}}
      %{"timeout" => time} -> {:ok, s, time}
      _ -> {:ok, s}
    end
  end

  defp initial("ignore", s) do
    tell(s, "ignored")
    :ignore
  end

  defp initial(["stop", reason], s) do
    tell(s, "refused #{reason}")
    {:stop, Reasons.term(reason)}
  end

  defp initial(["raise", message], s) do
    tell(s, "refused error:#{message}")
    raise message
  end

  defp initial(["exit", reason], s) do
    tell(s, "refused #{reason}")
    exit(Reasons.term(reason))
  end

  defp initial("hold", s) do
    tell(s, "waits")
    hold(s, supervisors())
    initial("ok", s)
  end

  defp initial(["sleep", time], s) do
    Process.sleep(time)
    initial("ok", s)
  end

  # --- messages

  @impl true
  def handle_call(command, from, s), do: run(command, from, s)

  @impl true
  def handle_cast(command, s), do: run(command, nil, s)

  @impl true
  def handle_continue([command | rest], s) do
    tell(s, "continue #{if is_list(command), do: hd(command), else: command}")

    case rest do
      [] when is_list(command) -> run(command, nil, s)
      [] -> {:noreply, s}
      _ -> {:noreply, s, {:continue, rest}}
    end
  end

  @impl true
  def handle_info(message, s) do
    if is_list(message) or is_binary(message) do
      run(message, nil, s)
    else
      tell(s, "got " <> Player.message(s.ctx, message))
      {:noreply, s}
    end
  end

  @impl true
  def terminate(reason, s) do
    if end_of_it = s.spec["terminate"] do
      tell(s, "terminate " <> Reasons.word(reason, &Collector.label_of(s.ctx.collector, &1)))
      finish(end_of_it, s)
    end
  end

  defp finish("ok", _), do: :ok
  defp finish(["raise", message], _), do: raise(message)
  defp finish(["exit", reason], _), do: exit(Reasons.term(reason))
  defp finish(["sleep", time], _), do: Process.sleep(time)
  defp finish("hold", s), do: hold(s, supervisors())

  defp finish("refuse", s) do
    Collector.busy(s.ctx.collector)
    Process.sleep(:infinity)
  end

  # --- commands

  defp run("ping", from, s), do: answer(from, "pong", s)
  defp run("get", from, s), do: answer(from, s.value, s)
  defp run("extra", from, s), do: answer(from, s.extra, s)
  defp run(["put", value], from, s), do: answer(from, "ok", %{s | value: value})

  defp run(["note", text], from, s) do
    tell(s, "note #{text}")
    answer(from, "ok", s)
  end

  defp run(["crash", message], _, _), do: raise(message)
  defp run(["exit", reason], _, _), do: exit(Reasons.term(reason))
  defp run(["stop", reason], _, s), do: {:stop, Reasons.term(reason), s}
  defp run(["reply_stop", value, reason], _, s), do: {:stop, Reasons.term(reason), value, s}
  defp run("later", from, s), do: {:noreply, %{s | kept: s.kept ++ [from]}}

  defp run(["answer" <> _, _], from, %{kept: []} = s), do: answer(from, "nobody waits", s)

  defp run(["answer", value], from, s) do
    [first | rest] = s.kept
    GenServer.reply(first, value)
    answer(from, "ok", %{s | kept: rest})
  end

  defp run(["answer_twice", value], from, s) do
    GenServer.reply(hd(s.kept), value)
    GenServer.reply(hd(s.kept), "again")
    answer(from, "ok", %{s | kept: tl(s.kept)})
  end

  defp run(["continue" | terms], nil, s), do: {:noreply, s, {:continue, terms}}
  defp run(["continue" | terms], _, s), do: {:reply, "ok", s, {:continue, terms}}
  defp run(["timeout", time], nil, s), do: {:noreply, s, time}
  defp run(["timeout", time], _, s), do: {:reply, "ok", s, time}
  defp run(["trap", on], from, s), do: answer(from, Process.flag(:trap_exit, on), s)

  defp run(["sleep", time], from, s) do
    Process.sleep(time)
    answer(from, "ok", s)
  end

  defp run("hold", from, s) do
    tell(s, "waits")
    hold(s, [])
    answer(from, "ok", s)
  end

  defp run(["do", step], from, s), do: answer(from, Player.step(s.ctx, step), s)
  defp run(["must", step], from, s), do: answer(from, Player.step!(s.ctx, step), s)

  defp answer(nil, _, s), do: {:noreply, s}
  defp answer(_, value, s), do: {:reply, value, s}

  # --- reports

  defp tell(s, text), do: Collector.event(s.ctx.collector, "#{s.me} #{text}")

  defp hold(s, others) do
    Collector.busy(s.ctx.collector, others)

    receive do
      :release -> :ok
    end

    Collector.free(s.ctx.collector)
  end

  defp supervisors, do: Enum.filter(Process.get(:"$ancestors", []), &is_pid/1)
end
