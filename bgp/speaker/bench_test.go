package speaker

// senderMain is the other process of the benchmark.
func senderMain() bool { return false }
