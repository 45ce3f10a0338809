"""Clear one window: the programme, its rows and prices, unit commitment, sequential auctions."""
