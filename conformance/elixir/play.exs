# Plays scenarios, one JSON object a line on stdin, and prints the trace of each as one JSON line, as it is ready:
#
#     elixir --erl "+S 1:1" conformance/elixir/play.exs 8 < scenarios.jsonl
#
# The argument is how many are played at a time; most of their time is waiting. One scheduler is enough, and what a
# process does when it ends is one step then. The first line printed tells the versions.
files = for name <- ~w(json reasons collector scripted supervisors player), do: Path.join(__DIR__, "#{name}.exs")
{:ok, _, _} = Kernel.ParallelCompiler.compile(files)

defmodule Conformance.Main do
  alias Conformance.{JSON, Player}

  def run(slots) do
    :logger.set_primary_config(:level, :none)
    Process.flag(:trap_exit, true)
    main = self()
    say(%{"elixir" => System.version(), "otp" => to_string(:erlang.system_info(:otp_release))})

    spawn_link(fn ->
      for line <- IO.stream(:stdio, :line), do: send(main, {:line, line})
      send(main, :end)
    end)

    serve(Enum.to_list(1..slots), slots, false)
  end

  defp serve(free, slots, true) when length(free) == slots, do: :ok
  defp serve([], slots, over), do: serve(finished(), slots, over)

  defp serve([slot | rest] = free, slots, over) do
    main = self()

    receive do
      {:line, line} ->
        spawn_link(fn ->
          say(Player.play(JSON.read(line), slot))
          send(main, {:free, slot})
        end)

        serve(rest, slots, over)

      {:free, slot} ->
        serve([slot | free], slots, over)

      :end ->
        serve(free, slots, true)

      {:EXIT, _, reason} when reason != :normal ->
        IO.puts(:stderr, "the runner failed: #{inspect(reason)}")
        System.halt(1)
    end
  end

  defp finished do
    receive do
      {:free, slot} -> [slot]
    end
  end

  defp say(value), do: IO.puts(JSON.write(value))
end

Conformance.Main.run(String.to_integer(hd(System.argv() ++ ["1"])))
