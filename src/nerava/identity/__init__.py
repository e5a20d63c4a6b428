"""Who is calling and what they may do: access tokens, roles, and the guard in front of every route."""
