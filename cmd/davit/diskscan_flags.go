package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

// sizeFlag reads a flag like 200MiB, 1.5GB or 4096; 0 when it is not given.
func sizeFlag(c *cli.Context, name string) (int64, error) {
	value := c.String(name)
	if value == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(value)
	if err != nil || n > 1<<62 || strings.HasPrefix(value, "-") {
		return 0, misuse(c, "--"+name+" is no size: "+value, "write 200MiB, 1.5GB or a number of bytes")
	}
	return int64(n), nil
}

// maxUnits of a week are less than the longest duration.
const maxUnits = 10_000

// ageFlag reads a flag like 90m, 12h, 30d or 2w; 0 when it is not given.
func ageFlag(c *cli.Context, name string) (time.Duration, error) {
	value := c.String(name)
	if value == "" {
		return 0, nil
	}
	age, err := time.ParseDuration(value)
	for unit, hours := range map[string]int{"d": 24, "w": 7 * 24} {
		if days, isLong := strings.CutSuffix(value, unit); isLong {
			var n int
			n, err = strconv.Atoi(days)
			age = time.Duration(min(n, maxUnits)) * time.Duration(hours) * time.Hour
		}
	}
	if err != nil || age <= 0 {
		return 0, misuse(c, "--"+name+" is no duration: "+value, "write 90m, 12h, 30d or 2w")
	}
	return age, nil
}
