"""Azure's services on one machine: Key Vault, App Configuration and Entra on the wire, storage by Azurite."""
