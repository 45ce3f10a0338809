"""From what was cleared to who is paid: parties, revenue, services, energy, metrics."""
