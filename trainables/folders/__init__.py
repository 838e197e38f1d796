"""Images in folders: listed, checked, divided into parts, and decoded when they are asked for."""
