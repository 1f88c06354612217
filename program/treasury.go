package program

func (c *call) bookTreasury() error { return nil }
