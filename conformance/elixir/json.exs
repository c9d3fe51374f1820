defmodule Conformance.JSON do
  @moduledoc """
  As much of JSON as scenarios and traces need: Elixir 1.14 has no reader of its own, and nothing is to be installed.
  """

  def read(text) do
    {value, rest} = value(skip(text))
    "" = skip(rest)
    value
  end

  defp value("{" <> rest), do: members(skip(rest), %{})
  defp value("[" <> rest), do: elements(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}
  defp value(rest), do: number(rest)

  defp members("}" <> rest, map), do: {map, rest}

  defp members("\"" <> rest, map) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {value, rest} = value(skip(rest))
    members(after_one(rest), Map.put(map, key, value))
  end

  defp elements("]" <> rest, found), do: {Enum.reverse(found), rest}

  defp elements(rest, found) do
    {value, rest} = value(rest)
    elements(after_one(rest), [value | found])
  end

  defp after_one(rest) do
    case skip(rest) do
      "," <> rest -> skip(rest)
      rest -> rest
    end
  end

  defp string("\"" <> rest, found), do: {found |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string("\\u" <> <<hex::binary-size(4), rest::binary>>, found),
    do: string(rest, [<<String.to_integer(hex, 16)::utf8>> | found])

  defp string(<<"\\", char, rest::binary>>, found), do: string(rest, [unescaped(char) | found])
  defp string(<<char, rest::binary>>, found), do: string(rest, [char | found])

  defp unescaped(?n), do: ?\n
  defp unescaped(?t), do: ?\t
  defp unescaped(char), do: char

  defp number(text) do
    case Float.parse(text) do
      {_, rest} = parsed ->
        digits = binary_part(text, 0, byte_size(text) - byte_size(rest))
        if digits =~ ~r/^-?\d+$/, do: {String.to_integer(digits), rest}, else: parsed
    end
  end

  defp skip(<<char, rest::binary>>) when char in ' \n\r\t', do: skip(rest)
  defp skip(rest), do: rest

  @doc "A value as JSON on one line. Atoms other than true, false and nil are written as strings."
  def write(value) when is_map(value) do
    rows = for {key, each} <- Enum.sort(value), do: [quoted(to_string(key)), ": ", write(each)]
    IO.iodata_to_binary(["{", Enum.intersperse(rows, ", "), "}"])
  end

  def write(value) when is_list(value),
    do: IO.iodata_to_binary(["[", value |> Enum.map(&write/1) |> Enum.intersperse(", "), "]"])

  def write(nil), do: "null"
  def write(value) when is_boolean(value) or is_number(value), do: to_string(value)
  def write(value) when is_binary(value) or is_atom(value), do: value |> to_string() |> quoted()

  defp quoted(text), do: ["\"", for(<<char <- text>>, do: escaped(char)), "\""] |> IO.iodata_to_binary()

  defp escaped(?"), do: "\\\""
  defp escaped(?\\), do: "\\\\"
  defp escaped(?\n), do: "\\n"
  defp escaped(char), do: char
end
