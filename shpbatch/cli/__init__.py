"""The command line: parse, call the api, print. One file a command."""
