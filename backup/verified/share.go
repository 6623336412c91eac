package verified

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is a part of all bytes, in hundredths of a percent. A byte has All parts, so that shares add up exactly.
type Share int64

// All is everything.
const All Share = 100_00

// ParseShare reads 5% or 0.5%.
func ParseShare(text string) (Share, error) {
	number, ok := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	s := Share(math.Round(f * 100))
	if !ok || err != nil || !(f > 0 && f <= 100) || s == 0 {
		return 0, fmt.Errorf("%q is no share: write 5%%, more than 0%% and at most 100%%", text)
	}
	return s, nil
}
