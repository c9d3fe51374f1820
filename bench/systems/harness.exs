defmodule Bench.WrongResult do
  defexception [:message]
end

defmodule Bench.Silence do
  @moduledoc "The handler of crash reports: they are made in full, and thrown away."
  def log(_event, _config), do: :ok
end

defmodule Bench do
  @moduledoc """
  What `harness.py` is for the Python programs: the clock, the checks, and the one line of JSON of a run. A program is
  run as `elixir bench/systems/elixir.exs WORKLOAD N`.
  """

  @warm_up 500
  def warm_up, do: @warm_up

  @doc "Run the function, and give `{result, %{wall: seconds, cpu: seconds}}`."
  def clock(work) do
    cpu = processor_time()
    wall = System.monotonic_time()
    result = work.()
    seconds = System.convert_time_unit(System.monotonic_time() - wall, :native, :nanosecond) / 1.0e9
    {result, %{wall: seconds, cpu: (processor_time() - cpu) / 1.0e9}}
  end

  # Nanoseconds of all threads, in the emulator and in the kernel: `:erlang.statistics(:runtime)` leaves the latter out.
  defp processor_time do
    for thread <- File.ls!("/proc/self/task"), reduce: 0 do
      sum ->
        [ran | _] = File.read!("/proc/self/task/#{thread}/schedstat") |> String.split()
        sum + String.to_integer(ran)
    end
  end

  def rate(n, clock, detail \\ %{}), do: figure(n / clock.wall, detail, clock)
  def figure(value, detail \\ %{}, clock \\ %{wall: 0.0, cpu: 0.0}), do: Map.merge(clock, %{value: value, detail: detail})

  def expect(_what, same, same), do: :ok

  def expect(what, got, wanted),
    do: raise(Bench.WrongResult, "#{what}: #{inspect(got)}, and it has to be #{inspect(wanted)}")

  def now, do: System.monotonic_time(:nanosecond)

  def percentile(values, part) do
    ordered = Enum.sort(values)
    Enum.at(ordered, min(length(ordered) - 1, trunc(part * length(ordered))))
  end

  @doc "Bytes that the emulator has allocated, and bytes of memory that its process takes, after a collection of all."
  def memory do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    pages = File.read!("/proc/self/statm") |> String.split() |> Enum.at(1) |> String.to_integer()
    {:erlang.memory(:total), pages * 4096}
  end

  def main(module, workloads, cannot, [workload, n]) do
    :logger.remove_handler(:default)
    :logger.remove_handler(Logger)
    :ok = :logger.add_handler(:silence, Bench.Silence, %{})
    n = String.to_integer(n)

    version =
      "Elixir #{System.version()}, Erlang/OTP #{System.otp_release()}, erts #{:erlang.system_info(:version)}, " <>
        "#{System.schedulers_online()} scheduler(s)"

    told = %{workload: workload, n: n, version: version}

    told =
      cond do
        why = cannot[workload] -> Map.put(told, :why, why)
        workload in workloads -> Map.merge(told, attempt(module, String.to_atom(workload), n))
        true -> Map.put(told, :error, "no such workload; there are #{Enum.join(workloads, ", ")}")
      end

    IO.puts(json(told))
    if told[:error], do: System.halt(1), else: System.halt(0)
  end

  def main(_, workloads, _, _), do: IO.puts("usage: elixir elixir.exs WORKLOAD N, where WORKLOAD is #{inspect(workloads)}")

  defp attempt(module, workload, n) do
    apply(module, workload, [n])
  rescue
    error -> %{error: Exception.message(error)}
  end

  defp json(map) when is_map(map), do: "{" <> Enum.map_join(map, ", ", fn {k, v} -> "\"#{k}\": #{json(v)}" end) <> "}"
  defp json(list) when is_list(list), do: "[" <> Enum.map_join(list, ", ", &json/1) <> "]"
  defp json(number) when is_number(number), do: to_string(number)
  defp json(text) when is_binary(text), do: inspect(text, printable_limit: :infinity)
end
