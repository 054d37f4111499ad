"""What `braid doctor` looks at: this machine, the provider at Globus Auth, the server."""
