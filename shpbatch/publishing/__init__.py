"""From the stage to the places where readers look: complete or absent, and remembered."""
