"""force_right_hand_rule: see below."""

EXAMPLES = [""]
