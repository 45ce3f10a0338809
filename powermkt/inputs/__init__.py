"""Read and check what users bring: the network, `market.yaml`, contracts, offers, plans."""
