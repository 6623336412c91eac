package storage

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"strings"
)

// LocationError tells what is wrong with a repository's URL.
type LocationError struct{ URL, Reason string }

func (e *LocationError) Error() string { return fmt.Sprintf("repository %s: %s", e.URL, e.Reason) }

// IsRemote tells whether a location is a URL of this package and not a folder.
func IsRemote(location string) bool {
	return strings.HasPrefix(location, "s3://") || strings.HasPrefix(location, "sftp://")
}

// CheckLocation finds what is wrong with a location without asking anybody.
func CheckLocation(location string) error {
	var err error
	switch {
	case strings.HasPrefix(location, "s3://"):
		_, err = parseS3(location)
	case strings.HasPrefix(location, "sftp://"):
		_, err = parseSFTP(location)
	case strings.HasPrefix(location, "oci://"):
		err = &LocationError{URL: location, Reason: "a registry only holds copies: davit backup copy --to and --from take it"}
	case strings.Contains(location, "://"):
		err = &LocationError{URL: location, Reason: "neither a folder nor a URL that begins with s3:// or sftp://"}
	default:
		err = checkFolder(location, runtime.GOOS)
	}
	return err
}

// checkFolder refuses folders of a system on which a repository is not safe: Windows gives no open file another name, and
// removes none.
func checkFolder(location, goos string) error {
	if goos == "windows" {
		return &LocationError{URL: location, Reason: "a folder of Windows cannot hold one: use s3:// or sftp://"}
	}
	return nil
}

// Connect returns the storage at a location: a folder, or
//
//	s3://BUCKET/PREFIX                           Amazon's S3
//	s3://HOST[:PORT]/BUCKET/PREFIX               another server; HOST has a dot, or a port
//	s3://http://HOST[:PORT]/BUCKET/PREFIX        without TLS
//	sftp://[USER@]HOST[:PORT]/FOLDER             FOLDER is absolute; /./FOLDER and /~/FOLDER are below the user's own
//
// A server is spoken to at once for sftp, else with the first request.
func Connect(ctx context.Context, location string, o Options) (Storage, error) {
	if err := CheckLocation(location); err != nil {
		return nil, err
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	switch {
	case strings.HasPrefix(location, "s3://"):
		on, err := openS3(location, o)
		if err != nil {
			return nil, err
		}
		return NewRemote(on, o)
	case strings.HasPrefix(location, "sftp://"):
		on, err := openSFTP(ctx, location, o)
		if err != nil {
			return nil, err
		}
		return NewRemote(on, o)
	}
	return OpenDir(location), nil
}

// s3Location is what an s3 URL says.
type s3Location struct {
	endpoint       string // host, with port
	secure         bool
	bucket, prefix string // the prefix ends with / or is empty
}

const awsEndpoint = "s3.amazonaws.com"

func parseS3(location string) (s3Location, error) {
	wrong := func(reason string) (s3Location, error) {
		return s3Location{}, &LocationError{URL: location, Reason: reason}
	}
	l := s3Location{endpoint: awsEndpoint, secure: true}
	rest := strings.TrimPrefix(location, "s3://")
	host := false
	switch {
	case strings.HasPrefix(rest, "http://"):
		rest, l.secure, host = strings.TrimPrefix(rest, "http://"), false, true
	case strings.HasPrefix(rest, "https://"):
		rest, host = strings.TrimPrefix(rest, "https://"), true
	}
	first, after, _ := strings.Cut(rest, "/")
	if strings.Contains(first, "@") {
		return wrong("keys do not belong into a URL: they come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or ~/.aws/credentials")
	}
	if host || strings.ContainsAny(first, ".:") || first == "localhost" {
		l.endpoint = first
		first, after, _ = strings.Cut(after, "/")
	}
	l.bucket = first
	if l.prefix = strings.Trim(after, "/"); l.prefix != "" {
		l.prefix += "/"
	}
	switch {
	case l.endpoint == "":
		return wrong("it names no server")
	case l.bucket == "":
		return wrong("it names no bucket")
	case strings.ContainsAny(location, "?#"):
		return wrong("it has a ? or #")
	}
	for _, part := range strings.Split(strings.TrimSuffix(l.prefix, "/"), "/") {
		if part == "." || part == ".." || part == "" && l.prefix != "" {
			return wrong("its path has an empty, . or .. part")
		}
	}
	return l, nil
}

// sftpLocation is what an sftp URL says.
type sftpLocation struct {
	user, host, port string
	folder           string // absolute, or relative to where the user gets
}

func parseSFTP(location string) (sftpLocation, error) {
	u, err := url.Parse(location)
	if err != nil {
		return sftpLocation{}, &LocationError{URL: location, Reason: "it is no URL"}
	}
	wrong := func(reason string) (sftpLocation, error) {
		return sftpLocation{}, &LocationError{URL: u.Redacted(), Reason: reason}
	}
	l := sftpLocation{host: u.Hostname(), port: u.Port(), folder: strings.TrimRight(u.Path, "/")}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return wrong("a password does not belong into a URL; use a key")
		}
		l.user = u.User.Username()
	}
	if l.port == "" {
		l.port = "22"
	}
	for _, home := range []string{"/./", "/~/"} {
		if rest, ok := strings.CutPrefix(l.folder, home); ok {
			l.folder = rest
		}
	}
	switch {
	case l.host == "":
		return wrong("it names no server")
	case l.folder == "" || l.folder == "/." || l.folder == "/~":
		return wrong("it names no folder")
	case u.RawQuery != "" || u.Fragment != "":
		return wrong("it has a ? or #")
	}
	return l, nil
}
