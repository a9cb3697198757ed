"""What a model can call: `tool` makes a tool of a typed function, `builtin`, `session` and `web` have the usual ones,
`mcp` takes those of a server, `toolbox` calls them and turns whatever happens into an observation.
"""
