"""Centers change: merged into another one, given a new code, moved under another parent (撤乡并镇)."""
