defmodule Conformance.Reasons do
  @moduledoc """
  Exit reasons in the words of the scenarios: `normal`, `shutdown`, `shutdown:x`, `kill`, `killed`, `noproc`,
  `error:text` for a raised exception, `call(r)` for whoever fails because a server that it called ended with r.
  """

  @doc "The term that a word of a scenario stands for."
  def term("shutdown:" <> detail), do: {:shutdown, String.to_atom(detail)}
  def term(word), do: String.to_atom(word)

  @doc "The word for a term. `label` says how a pid is called."
  def word(reason, label \\ &inspect/1)

  def word({:shutdown, {:failed_to_start_child, id, reason}}, label),
    do: "failed(#{id}, #{word(reason, label)})"

  def word({:shutdown, {module, _, _} = call}, label) when module in [GenServer, :gen_server],
    do: called(:shutdown, call, label)

  def word({:shutdown, detail}, label), do: "shutdown:" <> word(detail, label)
  def word({:already_started, pid}, label), do: "already_started(#{label.(pid)})"
  def word({:already_registered, pid}, label), do: "already_registered(#{label.(pid)})"

  def word({reason, {module, _, _} = call}, label) when module in [GenServer, :gen_server],
    do: called(reason, call, label)

  def word({:EXIT, reason}, label), do: word(reason, label)
  def word({%{__exception__: true} = error, stack}, _) when is_list(stack), do: "error:" <> told(error)
  def word({:start_spec, why}, label), do: word(why, label)
  def word({:supervisor_data, why}, label), do: word(why, label)
  def word({:bad_combination, _}, _), do: "invalid:significant"
  def word({:invalid_restart_type, _}, _), do: "invalid:restart"
  def word({:invalid_child_type, _}, _), do: "invalid:type"
  def word({:invalid_intensity, _}, _), do: "invalid:max_restarts"
  def word({:invalid_period, _}, _), do: "invalid:max_seconds"
  def word({:duplicate_child_name, _}, _), do: "invalid:id"

  def word({kind, _}, _)
      when kind in [:invalid_shutdown, :invalid_significant, :invalid_strategy, :invalid_max_children] or
             kind in [:invalid_extra_arguments, :invalid_auto_shutdown, :invalid_modules],
      do: "invalid:" <> String.replace_prefix(to_string(kind), "invalid_", "")

  # OTP 25 says which child it was when start_child fails, newer ones and regrow only why.
  def word({reason, child}, label) when is_tuple(child) and elem(child, 0) == :child, do: word(reason, label)
  def word(reason, _) when is_atom(reason) or is_binary(reason), do: to_string(reason)
  def word(reason, _), do: inspect(reason)

  # Of a chain of servers that fail each other one hop is told.
  defp called(reason, _call, label) do
    case word(reason, label) do
      "call(" <> _ = chain -> chain
      word -> "call(#{word})"
    end
  end

  defp told(%RuntimeError{message: message}), do: message
  defp told(%ErlangError{original: original}), do: word(original)
  # Each language has exceptions of its own.
  defp told(_), do: "raised"
end
