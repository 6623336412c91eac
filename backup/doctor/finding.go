package doctor

// Level is how a check ended.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is the judgement of one check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"` // the way out
}

// ProblemsError says that something keeps davit from its work.
type ProblemsError struct{ Problems int }

func (e *ProblemsError) Error() string {
	if e.Problems == 1 {
		return "1 problem keeps davit from its work"
	}
	return itoa(e.Problems) + " problems keep davit from its work"
}

// Err is a *ProblemsError when there are problems; warnings are none.
func Err(findings []Finding) error {
	n := 0
	for _, f := range findings {
		if f.Level == Problem {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return &ProblemsError{Problems: n}
}
