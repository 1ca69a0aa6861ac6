"""Every query and every migration."""
