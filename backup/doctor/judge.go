package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// What a file system needs to have free.
const (
	scarceBytes = 512 << 20 // a problem below
	fewBytes    = 5 << 30   // a warning below
	scarceNodes = 1000
	fewNodes    = 20000
)

// usualRPO is how old the newest snapshot may be where nobody said it.
const usualRPO = 26 * time.Hour

// drillEvery is how often backups should be proved to restore.
const drillEvery = 92 * 24 * time.Hour

// Judge makes findings of facts.
func Judge(f Facts) []Finding {
	var j judge
	j.engine(f)
	j.permissions(f)
	for _, folder := range f.Folders {
		j.folder(folder)
	}
	j.systemd(f)
	j.config(f)
	j.repositories(f)
	j.clock(f)
	j.drill(f)
	j.left(f)
	return j.found
}

type judge struct{ found []Finding }

func (j *judge) say(check string, l Level, hint, format string, a ...any) {
	j.found = append(j.found, Finding{Check: check, Level: l, Text: fmt.Sprintf(format, a...), Hint: hint})
}

func (j *judge) engine(f Facts) {
	e := f.Engine
	switch {
	case e.Err != nil:
		j.say("engine", Problem, either(e.Hint, "davit engine status tells more; folders and scans need no engine"), "%v", e.Err)
	case older(e.Version, 20, 10):
		j.say("engine", Warning, "davit is tested with 20.10 and later", "engine %s at %s is old", e.Version, e.Where)
	case !e.Local && f.Root:
		j.say("engine", Warning, "run davit on the engine's own host to save volumes and bind mounts", "engine %s at %s: %s", e.Version, e.Where, e.NotHere)
	default:
		j.say("engine", OK, "", "engine %s at %s", e.Version, e.Where)
	}
}

func (j *judge) permissions(f Facts) {
	if !f.Root {
		j.say("permissions", Warning, "run davit as root (sudo) to save volumes and bind mounts", "not root: volumes cannot be read")
		return
	}
	j.say("permissions", OK, "", "root")
}

func (j *judge) folder(d Folder) {
	check := d.Use + " folder"
	switch room, level := roomOf(d.Free, d.Nodes); {
	case d.Err != nil:
		j.say(check, Problem, "give --"+d.Use+"-dir another folder, or mend this one", "%v", d.Err)
	case d.Mode&0o077 != 0 && d.Use == "state":
		j.say(check, Warning, "chmod 700 "+d.Path, "%s can be read by others: journals name containers", d.Path)
	case level != OK:
		j.say(check, level, "davit diskscan "+d.Path+" shows what takes it", "%s has %s", d.Path, room)
	default:
		j.say(check, OK, "", "%s, %s", d.Path, room)
	}
}

func (j *judge) systemd(f Facts) {
	s := f.Systemd
	switch {
	case !s.Running:
		j.say("systemd", Warning, "call davit recover at boot, and davit backup run from cron", "systemd does not run this host")
	case s.Err != nil:
		j.say("systemd", Warning, "", "%v", s.Err)
	case s.Recover == "":
		j.say("systemd", Warning, "make install, or the package, brings it", "davit-recover.service is not installed: nothing undoes what a power cut left")
	case s.Recover != "enabled":
		j.say("systemd", Warning, "systemctl enable davit-recover.service", "davit-recover.service is %s: nothing undoes what a power cut left", s.Recover)
	default:
		j.say("systemd", OK, "", "running, davit-recover.service is enabled")
	}
}

func (j *judge) config(f Facts) {
	switch c := f.Config; {
	case c.None:
		j.say("configuration", Warning, "davit config example prints one to begin with", "no %s: nothing is backed up by itself", c.File)
	case c.Err != nil:
		j.say("configuration", Problem, "davit config check tells the line", "%v", c.Err)
	case f.Systemd.Running && f.Systemd.Err == nil && c.Jobs > 0 && len(f.Systemd.Timers) == 0:
		j.say("schedule", Warning, "davit backup schedule makes timers, unless cron calls davit", "%s, and no timer of davit runs them", number(c.Jobs, "job"))
	default:
		j.say("configuration", OK, "", "%s: %s%s", c.File, number(c.Jobs, "job"), timers(f.Systemd.Timers))
	}
}

func timers(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", " + strings.Join(names, ", ")
}

func (j *judge) repositories(f Facts) {
	if len(f.Repository) == 0 {
		j.say("repository", Warning, "davit backup init --repo DIR makes one; davit doctor --repo DIR looks at it", "none is known")
	}
	for _, r := range f.Repository {
		if r.Err != nil {
			j.say("repository", Problem, r.Hint, "%v", r.Err)
			continue
		}
		if r.Remote {
			j.say("repository", OK, "", "%s answers", r.Path)
		} else {
			room, level := roomOf(r.Free, r.Nodes)
			j.say("repository", level, ifNot(level, OK, "davit backup forget and gc free space"), "%s, %s", r.Path, room)
		}
		j.lastBackup(f, r)
		j.lastVerify(f, r)
	}
}

// lastVerify does not mind that there was none: another machine may do it, and drills prove more.
func (j *judge) lastVerify(f Facts, r Repository) {
	switch {
	case r.Damaged > 0:
		j.say("last verify", Problem, "davit backup verify tells what it hits, davit backup repair --read-data what can be saved", "%s in %s", number(r.Damaged, "damaged blob"), r.Path)
	case r.Verified.IsZero():
		j.say("last verify", OK, "", "%s was never verified from here", r.Path)
	default:
		j.say("last verify", OK, "", "%s ago, no damage", span(f.Now.Sub(r.Verified)))
	}
}

func (j *judge) lastBackup(f Facts, r Repository) {
	rpo := r.RPO
	if rpo == 0 {
		rpo = usualRPO
	}
	switch age := f.Now.Sub(r.Newest); {
	case r.Newest.IsZero():
		j.say("last backup", Problem, "davit backup create --repo "+r.Path, "%s holds no complete snapshot of this host", r.Path)
	case age > rpo:
		j.say("last backup", Problem, "davit backup history tells how the last runs ended", "%s ago, and should be within %s", span(age), span(rpo))
	default:
		j.say("last backup", OK, "", "%s ago", span(age))
	}
}

func (j *judge) clock(f Facts) {
	for _, r := range f.Repository {
		if r.Ahead.After(f.Now.Add(time.Hour)) {
			j.say("clock", Problem, "set the clock; snapshots ahead of it are not counted by forget", "%s holds a snapshot of %s, which is ahead of this clock (%s)",
				r.Path, r.Ahead.UTC().Format(time.RFC3339), f.Now.UTC().Format(time.RFC3339))
			return
		}
	}
	if f.Clock.Known && !f.Clock.Synchronized {
		j.say("clock", Warning, "install chrony or systemd-timesyncd", "nothing keeps the clock right")
		return
	}
	j.say("clock", OK, "", "%s", f.Now.Format(time.RFC3339))
}

func (j *judge) drill(f Facts) {
	const hint = "davit backup drill restores to a scratch place and proves it"
	switch d := f.Drill; {
	case d == nil:
	case d.Err != nil:
		j.say("last drill", Warning, hint, "%v", d.Err)
	case d.Last.IsZero():
		j.say("last drill", Warning, hint, "none: nobody has proved that the backups restore")
	case !d.Good:
		j.say("last drill", Problem, "its report says what did not come back", "%s ago, and it failed", span(f.Now.Sub(d.Last)))
	case f.Now.Sub(d.Last) > drillEvery:
		j.say("last drill", Warning, hint, "%s ago", span(f.Now.Sub(d.Last)))
	default:
		j.say("last drill", OK, "", "%s ago, all came back", span(f.Now.Sub(d.Last)))
	}
}

func (j *judge) left(f Facts) {
	l, before := f.Left, len(j.found)
	if l.Err != nil {
		j.say("leftovers", Problem, "", "%v", l.Err)
	}
	if len(l.Frozen) > 0 {
		j.say("leftovers", Problem, "davit recover lets them run again", "left paused or stopped by a run that died: %s", strings.Join(l.Frozen, ", "))
	}
	if l.Migration != "" {
		j.say("leftovers", Warning, "davit migrate status tells more", "%s", l.Migration)
	}
	if l.InPlace > 0 {
		j.say("leftovers", Warning, "davit backup restore --kept lists them; --commit deletes the old data", "%s in place still keep the old data", number(l.InPlace, "restore"))
	}
	if len(j.found) == before {
		j.say("leftovers", OK, "", "none")
	}
}

// roomOf says how much is free, and whether that is enough.
func roomOf(free, nodes uint64) (string, Level) {
	text, level := humanize.IBytes(free)+" free", OK
	switch {
	case free < scarceBytes || nodes < scarceNodes:
		level = Problem
	case free < fewBytes || nodes < fewNodes:
		level = Warning
	}
	if nodes < fewNodes {
		text += ", " + itoa(int(nodes)) + " inodes"
	}
	return text, level
}

// older compares a version with the oldest that is known to work; one that cannot be read is not judged.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a < major || a == major && b < minor)
}

func itoa(n int) string { return strconv.Itoa(n) }

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return itoa(n) + " " + noun + "s"
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func ifNot(level, not Level, text string) string {
	if level == not {
		return ""
	}
	return text
}

// span rounds an age to what people say: minutes, hours, days.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return number(int(d/time.Minute), "minute")
	case d < 72*time.Hour:
		return number(int(d/time.Hour), "hour")
	}
	return number(int(d/(24*time.Hour)), "day")
}
