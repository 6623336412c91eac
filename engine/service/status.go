package service

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"davit/engine"
	"davit/engine/daemonjson"
	"davit/engine/systemd"
)

// Status is what there is to say about the service.
type Status struct {
	Unit    string     `json:"unit"`
	State   string     `json:"state"`    // active, inactive, failed, activating, …
	Sub     string     `json:"substate"` // running, dead, auto-restart, …
	Since   *time.Time `json:"since,omitempty"`
	MainPID int        `json:"main_pid,omitempty"`
	Enabled string     `json:"enabled"`          // enabled, disabled, masked, static, …
	Result  string     `json:"result,omitempty"` // how it ended, when that was no success
	Sockets []Socket   `json:"sockets"`

	NeedReload bool `json:"need_daemon_reload"` // unit files have changed since systemd read them

	ConfigFile  string     `json:"config_file"`
	ConfigError string     `json:"config_error,omitempty"` // why dockerd would not take it
	Conflicts   []Conflict `json:"conflicts,omitempty"`

	Endpoint    string `json:"endpoint,omitempty"`
	Version     string `json:"version,omitempty"`
	DataRoot    string `json:"data_root,omitempty"` // the engine's own word, else what is configured
	Driver      string `json:"storage_driver,omitempty"`
	EngineError string `json:"engine_error,omitempty"` // why it does not answer although it runs

	Reason  string         `json:"reason,omitempty"` // why it failed
	Journal []JournalEntry `json:"journal,omitempty"`
}

// Running tells whether the service runs and the engine answers.
func (s *Status) Running() bool { return s.State == "active" && s.EngineError == "" }

// Socket is one socket of the service.
type Socket struct {
	Unit    string   `json:"unit"`
	State   string   `json:"state"`
	Sub     string   `json:"substate"`
	Enabled string   `json:"enabled"`
	Listen  []string `json:"listen"`
}

// Conflict is a setting that comes by a flag and by the file: dockerd does not start with it.
type Conflict struct {
	Key      string          `json:"key"`
	FromFlag []string        `json:"from_flag"`
	FromFile json.RawMessage `json:"from_file"`
}

// JournalEntry is a line of the journal.
type JournalEntry struct {
	Time     time.Time `json:"time"`
	Priority int       `json:"priority"`
	Message  string    `json:"message"`
}

// Ask calls the engine at an endpoint and returns what it says about itself.
type Ask func(ctx context.Context, endpoint string) (engine.Info, error)

// Status looks at the units, the configuration and, when the service runs, asks the engine.
func (s *Service) Status(ctx context.Context, ask Ask) (Status, error) {
	service, sockets, err := s.units(ctx)
	if err != nil {
		return Status{}, err
	}
	st := Status{
		Unit: s.name, State: service.Active, Sub: service.Sub, MainPID: service.MainPID, Enabled: service.File,
		NeedReload: service.NeedReload, Sockets: []Socket{},
	}
	if !service.Since.IsZero() {
		utc := service.Since.UTC()
		st.Since = &utc
	}
	if service.Result != "success" {
		st.Result = service.Result
	}
	for _, u := range sockets {
		st.NeedReload = st.NeedReload || u.NeedReload
		st.Sockets = append(st.Sockets, Socket{Unit: u.Name, State: u.Active, Sub: u.Sub, Enabled: u.File, Listen: u.Listen})
	}
	s.configured(&st, planned(service))
	s.effective(&st, working(service), sockets)
	if service.Active == "active" || service.Active == "reloading" {
		askEngine(ctx, &st, ask)
	}
	return st, s.history(ctx, &st, service, sockets)
}

// configured says what the next start would meet.
func (s *Service) configured(st *Status, args []string) {
	flags := daemonjson.Flags(args)
	st.ConfigFile = daemonjson.Find(flags, s.usual.ConfigFile)
	file, err := daemonjson.Load(st.ConfigFile)
	if err != nil {
		st.ConfigError = err.Error()
		return
	}
	for _, c := range file.Conflicts(flags) {
		st.Conflicts = append(st.Conflicts, Conflict(c))
	}
}

// effective says what flags and file make of the engine.
func (s *Service) effective(st *Status, args []string, sockets []systemd.Unit) {
	var hosts []string
	st.DataRoot = s.usual.DataRoot
	flags := daemonjson.Flags(args)
	if file, err := daemonjson.Load(daemonjson.Find(flags, s.usual.ConfigFile)); err == nil {
		for _, key := range []string{"graph", "data-root"} {
			st.DataRoot = cmp.Or(file.String(key), st.DataRoot)
		}
		st.Driver = file.String("storage-driver")
		raw, _ := file.Get("hosts")
		_ = json.Unmarshal(raw, &hosts) // what is no list of texts names no socket
	}
	for _, f := range flags {
		switch f.Key {
		case "data-root", "graph":
			st.DataRoot = f.Value
		case "storage-driver":
			st.Driver = f.Value
		case "hosts":
			hosts = append(hosts, f.Value)
		}
	}
	st.Endpoint = endpoint(hosts, sockets, s.usual.Socket)
}

// endpoint is where this very engine can be called: by a unix socket, or not at all.
func endpoint(hosts []string, sockets []systemd.Unit, usual string) string {
	if len(hosts) == 0 {
		return "unix://" + usual
	}
	for _, h := range hosts {
		if path, ok := strings.CutPrefix(h, "unix://"); ok {
			if path == "" {
				path = usual
			}
			return "unix://" + path
		}
		if !strings.HasPrefix(h, "fd://") {
			continue
		}
		for _, u := range sockets {
			for _, address := range u.Listen {
				if filepath.IsAbs(address) {
					return "unix://" + address
				}
			}
		}
	}
	return ""
}

func askEngine(ctx context.Context, st *Status, ask Ask) {
	if st.Endpoint == "" {
		st.EngineError = errNoSocket.Error()
		return
	}
	info, err := ask(ctx, st.Endpoint)
	if err != nil {
		st.EngineError = err.Error()
		return
	}
	st.Version, st.DataRoot, st.Driver = info.Version, info.DataRoot, info.Driver
}

// shownLines is how many lines of the journal a status has.
const shownLines = 8

// history adds the end of the journal when the service did not end well.
func (s *Service) history(ctx context.Context, st *Status, service systemd.Unit, sockets []systemd.Unit) error {
	names, well := []string{s.name}, healthy(service)
	for _, u := range sockets {
		names, well = append(names, u.Name), well && healthy(u)
	}
	if well {
		return nil
	}
	lines, err := s.manager.Journal(ctx, time.Time{}, journalLines, names...)
	if err != nil {
		return err
	}
	st.Reason = reason(lines)
	for _, l := range lines[max(0, len(lines)-shownLines):] {
		st.Journal = append(st.Journal, JournalEntry{Time: l.Time.UTC(), Priority: l.Priority, Message: l.Message})
	}
	return nil
}

func healthy(u systemd.Unit) bool {
	again := u.Active == "activating" && u.Restarts > 0 // it is tried again and again
	return u.Active != "failed" && u.Sub != "auto-restart" && u.Sub != "auto-restart-queued" && !again
}
