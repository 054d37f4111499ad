"""The action providers of a sandbox: small ones that really do what they are asked."""
