# The workloads in Elixir: GenServer, DynamicSupervisor and Registry as their documentation shows them. Everything that
# is measured is in a module, and so compiled.

Code.require_file("harness.exs", __DIR__)

defmodule Counter do
  use GenServer

  def start_link({count, options}), do: GenServer.start_link(__MODULE__, count, options)
  def start_link(count), do: GenServer.start_link(__MODULE__, count)
  def add(server, n), do: GenServer.call(server, {:add, n})
  def add_later(server, n), do: GenServer.call(server, {:add_later, n})
  def put(server, n), do: GenServer.cast(server, {:put, n})

  @impl true
  def init(count), do: {:ok, count}

  @impl true
  def handle_call({:add, n}, _from, count), do: {:reply, count + n, count + n}

  def handle_call({:add_later, n}, _from, count) do
    :erlang.yield()
    {:reply, count + n, count + n}
  end

  @impl true
  def handle_cast({:put, n}, count), do: {:noreply, count + n}
end

defmodule Fragile do
  @moduledoc "Tells when it is up, and crashes on demand."
  use GenServer

  def start_link(who), do: GenServer.start_link(__MODULE__, who)
  def ping(server), do: GenServer.call(server, :ping)
  def crash(server), do: GenServer.cast(server, :crash)

  @impl true
  def init(who) do
    send(who, :up)
    {:ok, who}
  end

  @impl true
  def handle_call(:ping, _from, who), do: {:reply, :pong, who}

  @impl true
  def handle_cast(:crash, _who), do: raise("as asked")
end

defmodule Node_ do
  @moduledoc "One place of the ring."
  use GenServer

  def start_link(arguments), do: GenServer.start_link(__MODULE__, arguments)
  def close(server, first), do: GenServer.call(server, {:close, first})
  def token(server, left), do: GenServer.cast(server, {:token, left})
  def passed(server), do: GenServer.call(server, :passed)

  @impl true
  def init({following, done}), do: {:ok, {following, done, 0}}

  @impl true
  def handle_call({:close, first}, _from, {_, done, seen}), do: {:reply, :ok, {first, done, seen}}
  def handle_call(:passed, _from, {_, _, seen} = state), do: {:reply, seen, state}

  @impl true
  def handle_cast({:token, 0}, {following, done, seen}) do
    send(done, :done)
    {:noreply, {following, done, seen + 1}}
  end

  def handle_cast({:token, left}, {following, done, seen}) do
    token(following, left - 1)
    {:noreply, {following, done, seen + 1}}
  end
end

defmodule Busy do
  @moduledoc "Never at rest: each turn asks for the next."
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, 0)
  def work(server), do: GenServer.cast(server, :work)
  def turns(server), do: GenServer.call(server, :turns, :infinity)

  @impl true
  def init(turns), do: {:ok, turns}

  @impl true
  def handle_call(:turns, _from, turns), do: {:reply, turns, turns}

  @impl true
  def handle_cast(:work, turns) do
    Enum.sum(0..99)
    work(self())
    {:noreply, turns + 1}
  end
end

defmodule Workloads do
  import Bench

  @many 1_000_000_000

  def names,
    do: ~w(start_child memory call call_clients call_async cast restart restart_latency shutdown lookup start_via ring
           timer flood leak)

  defp supervisor(options \\ []) do
    {:ok, sup} = DynamicSupervisor.start_link([strategy: :one_for_one] ++ options)
    sup
  end

  defp start(sup, spec) do
    {:ok, pid} = DynamicSupervisor.start_child(sup, spec)
    pid
  end

  defp start_counters(sup, n), do: for(i <- 0..(n - 1), do: start(sup, {Counter, i}))

  defp start_and_forget(_sup, n, n), do: :ok

  defp start_and_forget(sup, i, n) do
    {:ok, _} = DynamicSupervisor.start_child(sup, {Counter, i})
    start_and_forget(sup, i + 1, n)
  end

  defp active(sup), do: DynamicSupervisor.count_children(sup).active
  defp pids(sup), do: for({_, pid, _, _} <- DynamicSupervisor.which_children(sup), do: pid)

  # --- supervision

  def start_child(n) do
    sup = supervisor()
    for pid <- start_counters(sup, warm_up()), do: DynamicSupervisor.terminate_child(sup, pid)
    {_, clock} = clock(fn -> start_and_forget(sup, 0, n) end)
    expect("children", active(sup), n)
    expect("sum of their states", pids(sup) |> Enum.map(&Counter.add(&1, 0)) |> Enum.sum(), div(n * (n - 1), 2))
    rate(n, clock)
  end

  def memory(n) do
    sup = supervisor()
    start_and_forget(sup, 0, warm_up())
    {vm, resident} = memory()
    start_and_forget(sup, 0, n)
    {vm_after, resident_after} = memory()
    expect("children", active(sup), n + warm_up())
    figure((vm_after - vm) / n, %{resident_bytes: (resident_after - resident) / n})
  end

  def restart(n) do
    sup = supervisor(max_restarts: @many)
    children = fragile(sup, n)

    {_, clock} =
      clock(fn ->
        Enum.each(children, &Fragile.crash/1)
        wait_for_up(n)
      end)

    expect_new_and_alive(sup, n, children)
    rate(n, clock)
  end

  def restart_latency(n) do
    sup = supervisor(max_restarts: @many)
    children = fragile(sup, n)

    took =
      for child <- children do
        start = now()
        Fragile.crash(child)
        wait_for_up(1)
        took = (now() - start) / 1000
        active(sup)
        took
      end

    expect_new_and_alive(sup, n, children)
    figure(percentile(took, 0.5), %{p99_us: percentile(took, 0.99)})
  end

  defp fragile(sup, n) do
    children = for _ <- 1..n, do: start(sup, {Fragile, self()})
    wait_for_up(n)
    children
  end

  defp wait_for_up(0), do: :ok

  defp wait_for_up(n) do
    receive do
      :up -> wait_for_up(n - 1)
    end
  end

  defp expect_new_and_alive(sup, n, before) do
    children = pids(sup)
    expect("children", length(children), n)
    expect("old ones", MapSet.disjoint?(MapSet.new(before), MapSet.new(children)), true)
    expect("answers", Enum.all?(children, &(Fragile.ping(&1) == :pong)), true)
  end

  def shutdown(n) do
    before = length(Process.list())
    sup = supervisor()
    start_and_forget(sup, 0, n)
    expect("processes", length(Process.list()), before + n + 1)
    {_, clock} = clock(fn -> DynamicSupervisor.stop(sup) end)
    expect("processes left", length(Process.list()), before)
    rate(n, clock)
  end

  # --- messages

  defp repeat(0, _work), do: :ok

  defp repeat(n, work) do
    work.()
    repeat(n - 1, work)
  end

  defp counter do
    {:ok, pid} = Counter.start_link(0)
    pid
  end

  def call(n), do: call_one(n, &Counter.add/2)
  def call_async(n), do: call_one(n, &Counter.add_later/2)

  defp call_one(n, how) do
    server = counter()
    repeat(warm_up(), fn -> how.(server, 1) end)
    {_, clock} = clock(fn -> repeat(n, fn -> how.(server, 1) end) end)
    expect("sum", Counter.add(server, 0), n + warm_up())
    rate(n, clock)
  end

  def call_clients(n) do
    each = div(n, 1000)
    sup = supervisor()
    servers = for _ <- 1..1000, do: start(sup, {Counter, 0})

    {totals, clock} =
      clock(fn ->
        servers
        |> Enum.map(fn server ->
          Task.async(fn ->
            repeat(each - 1, fn -> Counter.add(server, 1) end)
            Counter.add(server, 1)
          end)
        end)
        |> Task.await_many(:infinity)
      end)

    expect("sums", Enum.uniq(totals), [each])
    rate(1000 * each, clock)
  end

  def cast(n) do
    server = counter()
    repeat(warm_up(), fn -> Counter.put(server, 1) end)
    Counter.add(server, 0)

    {total, clock} =
      clock(fn ->
        repeat(n, fn -> Counter.put(server, 1) end)
        GenServer.call(server, {:add, 0}, :infinity)
      end)

    expect("sum", total, n + warm_up())
    rate(n, clock)
  end

  def ring(n) do
    sup = supervisor()
    last = start(sup, {Node_, {nil, self()}})
    places = Enum.scan(1..9_999, last, fn _, following -> start(sup, {Node_, {following, self()}}) end)
    first = List.last(places)
    Node_.close(last, first)

    {_, clock} =
      clock(fn ->
        Node_.token(first, n - 1)

        receive do
          :done -> :ok
        end
      end)

    expect("laps of each", [last | places] |> Enum.map(&Node_.passed/1) |> Enum.uniq(), [div(n, 10_000)])
    rate(n, clock)
  end

  # --- names

  defp registry do
    {:ok, _} = Registry.start_link(keys: :unique, name: Names)
    supervisor()
  end

  defp start_via(sup, key, i), do: start(sup, {Counter, {i, name: {:via, Registry, {Names, key}}}})

  def lookup(n) do
    sup = registry()
    keys = for i <- 0..9_999, do: "counter #{i}"
    owners = Map.new(keys, &{&1, start_via(sup, &1, 0)})
    {_, clock} = clock(fn -> repeat(div(n, 10_000), fn -> look_up(keys) end) end)
    expect("owners", Enum.all?(owners, fn {key, pid} -> [{pid, nil}] == Registry.lookup(Names, key) end), true)
    rate(n, clock)
  end

  defp look_up([]), do: :ok

  defp look_up([key | keys]) do
    [{_pid, _}] = Registry.lookup(Names, key)
    look_up(keys)
  end

  def start_via(n) do
    sup = registry()
    for i <- 1..warm_up(), do: DynamicSupervisor.terminate_child(sup, start_via(sup, "warm #{i}", i))
    {_, clock} = clock(fn -> start_named(sup, 0, n) end)
    expect("children", active(sup), n)
    values = for i <- 0..(n - 1), do: Counter.add({:via, Registry, {Names, "counter #{i}"}}, 0)
    expect("sum of their states", Enum.sum(values), div(n * (n - 1), 2))
    rate(n, clock)
  end

  defp start_named(_sup, n, n), do: :ok

  defp start_named(sup, i, n) do
    start_via(sup, "counter #{i}", i)
    start_named(sup, i + 1, n)
  end

  # --- fairness and latency

  def timer(n) do
    sup = supervisor()
    start_and_forget(sup, 0, n)
    busy = for _ <- 1..1000, do: start(sup, {Busy, nil})
    Enum.each(busy, &Busy.work/1)

    took =
      for _ <- 1..300 do
        start = now()
        Process.send_after(self(), :tick, 10)

        receive do
          :tick -> (now() - start) / 1.0e6
        end
      end

    turns = busy |> Enum.map(&Task.async(fn -> Busy.turns(&1) end)) |> Task.await_many(:infinity)
    expect("servers that never had their turn", Enum.count(turns, &(&1 == 0)), 0)

    figure(percentile(took, 0.99), %{
      p50_ms: percentile(took, 0.5),
      max_ms: Enum.max(took),
      samples: 300,
      least_turns: Enum.min(turns),
      most_turns: Enum.max(turns)
    })
  end

  # Half of the casts wait already when the first call is made, the rest comes in batches of a thousand.
  def flood(n) do
    {flooded, other} = {counter(), counter()}
    {_, sending} = clock(fn -> repeat(div(n, 2), fn -> Counter.put(flooded, 1) end) end)

    total =
      Task.async(fn ->
        repeat(div(n, 2000), fn ->
          repeat(1000, fn -> Counter.put(flooded, 1) end)
          :erlang.yield()
        end)

        GenServer.call(flooded, {:add, 0}, :infinity)
      end)

    late = call_while(total, other, 1, [])
    figure(Enum.max(late), %{p99_ms: percentile(late, 0.99), calls: length(late), sending_half_ms: sending.wall * 1000})
    |> tap(fn _ -> expect("casts", Counter.add(flooded, 0), n) end)
  end

  defp call_while(total, other, calls, late) do
    due = now() + 20_000_000
    Process.sleep(20)
    expect("answer", Counter.add(other, 1), calls)
    late = [(now() - due) / 1.0e6 | late]
    if Task.yield(total, 0), do: late, else: call_while(total, other, calls + 1, late)
  end

  # Memory, in percent over the start, after n children have come and gone, a tenth of them at a time.
  def leak(n) do
    sup = supervisor()
    start_and_forget(sup, 0, warm_up())
    for pid <- pids(sup), do: DynamicSupervisor.terminate_child(sup, pid)
    {_, start} = memory()

    curve =
      for wave <- 1..10 do
        start_and_forget(sup, 0, div(n, 10))
        {_, high} = memory()
        for pid <- pids(sup), do: DynamicSupervisor.terminate_child(sup, pid)
        [wave * div(n, 10), high / 1.0e6, elem(memory(), 1) / 1.0e6]
      end

    expect("children", active(sup), 0)
    [_, _, last] = List.last(curve)
    figure((last * 1.0e6 / start - 1) * 100, %{start_mb: start / 1.0e6, curve_mb: curve})
  end
end

Bench.main(
  Workloads,
  Workloads.names(),
  %{"growth" => "measured for regrow alone: it asks whether the cost a child stays the same"},
  System.argv()
)
