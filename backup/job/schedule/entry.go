package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Entry is what is installed for one job: its runs, or its drills.
type Entry struct {
	Job        string
	Drill      bool // drills of the job's snapshots, instead of its runs
	Restores   bool // what runs restores too: it needs to write where the engine keeps volumes
	Plan       *Plan
	Jitter     time.Duration // a random delay of at most this, so that a fleet does not begin at once; not with cron
	Program    string        // davit's own, absolute
	ConfigFile string        // absolute
	StateDir   string        // absolute, as CacheDir
	CacheDir   string
	Writes     []string // other folders that the run writes to: the repository, metrics
	Env        []string // "KEY=value" that the run needs to find its engine
}

// mark is the first line of every file of this package.
const mark = "# Made by davit backup schedule; davit backup schedule remove takes it away."

func unitName(job string, drill bool) string {
	if drill {
		return "davit-drill-" + job
	}
	return "davit-backup-" + job
}

// what names what is run, for people.
func (e *Entry) what() string {
	if e.Drill {
		return "drill of job " + e.Job
	}
	return "job " + e.Job
}

// command is what is run, but for the program. A journal takes a summary also when all is well; cron would mail it.
func (e *Entry) command(journal bool) []string {
	if e.Drill {
		return []string{"backup", "drill", "--yes", "--config-file", e.ConfigFile, "--job", e.Job}
	}
	words := []string{"backup", "run"}
	if journal {
		words = append(words, "--verbose")
	}
	return append(words, "--config-file", e.ConfigFile, e.Job)
}

// Timer is the timer's unit file.
func (e *Entry) Timer() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n[Unit]\nDescription=When davit's %s runs\n\n[Timer]\n", mark, e.what())
	for _, c := range e.Plan.OnCalendar() {
		fmt.Fprintf(&b, "OnCalendar=%s\n", c)
	}
	// Without FixedRandomDelay a host would begin at another time each day, and sometimes twice in a short while.
	fmt.Fprintf(&b, "Persistent=true\nRandomizedDelaySec=%ds\nFixedRandomDelay=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n",
		int(e.Jitter.Seconds()))
	return b.String()
}

// Service is the service's unit file. A backup reads all files of the host and freezes containers, so it is root; what it
// does not need is taken away: it writes to few folders, and loads, traces and changes nothing of the kernel.
// There is no PrivateTmp: bind mounts of containers may lie in /tmp.
func (e *Entry) Service() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n[Unit]\nDescription=davit's %s\nDocumentation=man:davit-backup-%s(1)\n", mark, e.what(), e.command(true)[1])
	b.WriteString("Wants=network-online.target\nAfter=network-online.target docker.service\n")
	for _, dir := range e.Writes {
		fmt.Fprintf(&b, "RequiresMountsFor=%s\n", quote(dir))
	}
	b.WriteString("\n[Service]\nType=oneshot\n")
	words := append([]string{e.Program}, e.command(true)...)
	for i, w := range words {
		words[i] = quote(dollars(w))
	}
	fmt.Fprintf(&b, "ExecStart=%s\n", strings.Join(words, " "))
	for _, v := range e.Env {
		fmt.Fprintf(&b, "Environment=%s\n", quote(v))
	}
	b.WriteString(`UMask=0077
KillMode=mixed
TimeoutStopSec=2min
NoNewPrivileges=yes
`)
	protect, more := "strict", ""
	if e.Restores {
		// Where the engine keeps volumes is not known here; restored files may be devices and have capabilities.
		protect, more = "full", " CAP_MKNOD CAP_SETFCAP CAP_LINUX_IMMUTABLE"
	}
	fmt.Fprintf(&b, "ProtectSystem=%s\n", protect)
	b.WriteString(managed("State", "/var/lib", e.StateDir) + managed("Cache", "/var/cache", e.CacheDir))
	for _, dir := range e.Writes {
		fmt.Fprintf(&b, "ReadWritePaths=-%s\n", quote(dir))
	}
	b.WriteString(`ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_KILL CAP_SYS_PTRACE CAP_SYS_NICE CAP_SYS_ADMIN CAP_LEASE`)
	b.WriteString(more + "\n")
	return b.String()
}

// managed lets the run write to a folder that has to be there before the run begins: systemd makes it if it is in the
// usual place, [Store.Install] made it if not.
func managed(kind, root, dir string) string {
	if name, ok := strings.CutPrefix(dir, root+"/"); ok {
		return fmt.Sprintf("%sDirectory=%s\n%sDirectoryMode=0700\n", kind, quote(name), kind)
	}
	return fmt.Sprintf("ReadWritePaths=-%s\n", quote(dir))
}

// CronFile is a file for /etc/cron.d.
func (e *Entry) CronFile() string {
	var b strings.Builder
	b.WriteString(mark + "\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n")
	for _, v := range e.Env {
		key, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "%s=%q\n", key, value)
	}
	words := append([]string{e.Program}, e.command(false)...)
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	command := strings.Join(words, " ")
	for _, c := range e.Plan.Crons() {
		// In a crontab a percent sign ends the command.
		fmt.Fprintf(&b, "%s root %s\n", c, strings.ReplaceAll(command, "%", `\%`))
	}
	return b.String()
}

// dollars keeps a word of a command from being read as a variable.
func dollars(word string) string { return strings.ReplaceAll(word, "$", "$$") }

// quote writes a word for a unit file, where a percent sign begins a specifier.
func quote(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if !strings.ContainsAny(word, " \t\"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func shellQuote(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:,@") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
