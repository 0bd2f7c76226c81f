"""One file a step. A module here is a step by being here; there is no list to edit."""
