"""Command-line coding agents: how each is installed, started, told what to do, and read. One small adapter an agent."""
