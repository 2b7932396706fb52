"""What the gateway does: one file per act. States the ports it needs; knows no wire, no database, no clock."""
