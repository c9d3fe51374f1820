defmodule Conformance.Collector do
  @moduledoc """
  Whom a scenario's processes report to. It calls them by label in the order of their starts (`a#1`, `a#2`), writes
  down what happens in their lives, and knows who can't answer now because a scenario made him wait.
  """
  use GenServer

  # --- for the processes of a scenario. A report is a call, so that reports of one after another are in that order.

  def started(me, label), do: GenServer.call(me, {:started, label}, :infinity)
  def attempt(me, label), do: GenServer.call(me, {:attempt, label}, :infinity)
  def event(me, text), do: GenServer.call(me, {:event, text}, :infinity)
  def aside(me, text), do: GenServer.call(me, {:aside, text}, :infinity)
  def override(me, label), do: GenServer.call(me, {:override, label}, :infinity)

  def dynamic(me), do: GenServer.call(me, :dynamic, :infinity)
  def busy(me, others \\ []), do: GenServer.call(me, {:busy, others}, :infinity)
  def free(me), do: GenServer.call(me, :free, :infinity)

  # --- for the player

  def dynamic?(me, pid), do: GenServer.call(me, {:dynamic?, pid}, :infinity)
  def client(me), do: GenServer.call(me, :client, :infinity)
  def label_of(me, pid), do: GenServer.call(me, {:label_of, pid}, :infinity)
  def pid_of(me, label), do: GenServer.call(me, {:pid_of, label}, :infinity)
  def silent(me, pid, label), do: GenServer.call(me, {:silent, pid, label}, :infinity)
  def release(me, label), do: GenServer.call(me, {:release, label}, :infinity)
  def gate(me, label, how), do: GenServer.call(me, {:gate, label, how}, :infinity)
  def reconfigure(me, label, spec), do: GenServer.call(me, {:reconfigure, label, spec}, :infinity)
  def background(me, pid), do: GenServer.call(me, {:background, pid}, :infinity)
  def look(me), do: GenServer.call(me, :look, :infinity)
  def take(me), do: GenServer.call(me, :take, :infinity)

  @impl true
  def init(_) do
    {:ok,
     %{
       events: [],
       asides: [],
       version: 0,
       labels: %{},
       pids: %{},
       counts: %{},
       attempts: %{},
       gates: [],
       overrides: %{},
       dynamic: [],
       living: [],
       silent: [],
       busy: %{},
       background: []
     }}
  end

  @impl true
  def handle_call({:started, label}, {pid, _}, s) do
    case {s.labels[pid], label in s.gates} do
      {nil, false} ->
        number = Map.get(s.counts, label, 0) + 1
        name = "#{label}##{number}"
        Process.monitor(pid)

        {:reply, {:new, name, number},
         %{
           s
           | counts: Map.put(s.counts, label, number),
             labels: Map.put(s.labels, pid, name),
             pids: s.pids |> Map.put(label, pid) |> Map.put(name, pid),
             living: s.living ++ [pid]
         }}

      {nil, true} ->
        {:reply, :gated, s}

      {name, _} ->
        {:reply, {:again, name}, s}
    end
  end

  def handle_call({:attempt, label}, _, s) do
    number = Map.get(s.attempts, label, 0) + 1
    {:reply, number, put_in(s.attempts[label], number)}
  end

  def handle_call({:event, text}, _, s), do: {:reply, :ok, told(s, :events, text)}
  def handle_call({:aside, text}, _, s), do: {:reply, :ok, told(s, :asides, text)}
  def handle_call({:override, label}, _, s), do: {:reply, s.overrides[label], s}
  def handle_call({:reconfigure, label, spec}, _, s), do: {:reply, :ok, put_in(s.overrides[label], spec)}
  def handle_call({:busy, others}, {pid, _}, s), do: {:reply, :ok, put_in(s.busy[pid], [pid | others])}
  def handle_call(:dynamic, {pid, _}, s), do: {:reply, :ok, %{s | dynamic: [pid | s.dynamic]}}
  def handle_call({:dynamic?, pid}, _, s), do: {:reply, pid in s.dynamic, s}
  def handle_call(:client, {pid, _}, s), do: {:reply, :ok, put_in(s.labels[pid], "client")}
  def handle_call(:free, {pid, _}, s), do: {:reply, :ok, %{s | busy: Map.delete(s.busy, pid)}}
  def handle_call({:label_of, pid}, _, s), do: {:reply, label(s, pid), s}
  def handle_call({:pid_of, label}, _, s), do: {:reply, s.pids[label], s}

  def handle_call({:release, label}, _, s) do
    pid = s.pids[label]
    if s.busy[pid], do: send(pid, :release)
    {:reply, :ok, s}
  end

  def handle_call({:gate, label, "open"}, _, s), do: {:reply, :ok, %{s | gates: List.delete(s.gates, label)}}
  def handle_call({:gate, label, "shut"}, _, s), do: {:reply, :ok, %{s | gates: [label | s.gates]}}
  def handle_call({:background, pid}, _, s), do: {:reply, :ok, %{s | background: [pid | s.background]}}

  def handle_call({:silent, pid, label}, _, s) do
    {:reply, :ok,
     %{
       s
       | labels: Map.put(s.labels, pid, label),
         pids: Map.put(s.pids, label, pid),
         silent: [pid | s.silent]
     }}
  end

  def handle_call(:look, _, s) do
    waiting = s.busy |> Map.values() |> List.flatten()
    asked = (s.living ++ s.silent) -- waiting
    {:reply, %{version: s.version, living: s.living, asked: asked, waiting: waiting, background: s.background}, s}
  end

  def handle_call(:take, _, s) do
    known = Map.new(s.labels, fn {pid, label} -> {inspect(pid), label} end)

    named = fn texts ->
      Enum.map(texts, &Regex.replace(~r/#PID<[\d.]+>/, &1, fn pid -> known[pid] || "stranger" end))
    end

    {:reply, {named.(Enum.reverse(s.events)), named.(s.asides)}, %{s | events: [], asides: []}}
  end

  @impl true
  def handle_info({:DOWN, _, :process, pid, reason}, s) do
    s = %{s | living: List.delete(s.living, pid), busy: Map.delete(s.busy, pid)}
    word = Conformance.Reasons.word(reason, &label(s, &1))
    {:noreply, told(s, :asides, "#{s.labels[pid]} down #{word}")}
  end

  # A name is registered before init runs, so a process may be heard of before it has a label: `take` gives it then.
  defp label(s, pid), do: s.labels[pid] || inspect(pid)

  defp told(s, where, text), do: s |> Map.update!(where, &[text | &1]) |> Map.update!(:version, &(&1 + 1))
end
