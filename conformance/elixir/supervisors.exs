defmodule Conformance.Static do
  @moduledoc "A `Supervisor` by script."
  use Supervisor
  alias Conformance.Player

  def start_link(_extra, ctx, spec), do: start_link(ctx, spec)
  def start_link(ctx, spec), do: Supervisor.start_link(__MODULE__, {ctx, spec}, Player.start_options(ctx, spec))

  @impl true
  def init({ctx, spec}),
    do:
      Player.supervise(ctx, spec, fn spec, children, flags ->
        {:ok, {made, specs}} =
          Supervisor.init(children, [strategy: Player.atom(spec, "strategy", :one_for_one)] ++ flags)

        # Elixir 1.14 does not know this flag yet, and OTP does.
        {:ok, {Map.put(made, :auto_shutdown, Player.atom(spec, "auto_shutdown", :never)), specs}}
      end)
end

defmodule Conformance.Dynamic do
  @moduledoc "A `DynamicSupervisor` by script."
  use DynamicSupervisor
  alias Conformance.Player

  def start_link(_extra, ctx, spec), do: start_link(ctx, spec)

  def start_link(ctx, spec),
    do: DynamicSupervisor.start_link(__MODULE__, {ctx, spec}, Player.start_options(ctx, spec))

  @impl true
  def init({ctx, spec}),
    do:
      Player.supervise(ctx, spec, fn spec, _, flags ->
        DynamicSupervisor.init([strategy: Player.atom(spec, "strategy", :one_for_one)] ++ flags)
      end)
end
