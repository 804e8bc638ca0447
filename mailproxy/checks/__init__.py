"""mailproxy's own connections to servers: health checks (`prober`) and capability queries (`capability_monitor`)."""
