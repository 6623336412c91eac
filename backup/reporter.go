package backup

// Reporter is told how a run gets on. Its methods may be called from several goroutines at
// once and must not block.
type Reporter interface {
	// Start says how much there is to do, as far as it is known; a later call
	// replaces an earlier one. bytes and entries are 0 when unknown, or when what follows has none.
	Start(bytes, entries int64)
	// Item names what is at work from now on, "volume/pgdata" or "freeze web, db".
	Item(name string)
	// Add counts bytes done, read or reused.
	Add(bytes int64)
	// Done ends the run; it is called once, also on failure.
	Done()
}

// NoReporter discards everything.
type NoReporter struct{}

// Start implements Reporter.
func (NoReporter) Start(int64, int64) {}

// Item implements Reporter.
func (NoReporter) Item(string) {}

// Add implements Reporter.
func (NoReporter) Add(int64) {}

// Done implements Reporter.
func (NoReporter) Done() {}
