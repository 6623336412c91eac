package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	onePiece  = 64 << 20 // a longer file is sent in parts
	partSize  = 32 << 20
	listPiece = 1000
)

// s3 is a prefix of a bucket.
type s3 struct {
	at   s3Location
	url  string
	core *minio.Core
}

func openS3(location string, o Options) (*s3, error) {
	at, err := parseS3(location)
	if err != nil {
		return nil, err
	}
	transport, err := minio.DefaultTransport(at.secure)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.endpoint, err)
	}
	connections := o.Parallel + DefaultParallel
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	region := o.Getenv("AWS_REGION")
	if region == "" {
		region = o.Getenv("AWS_DEFAULT_REGION")
	}
	core, err := minio.NewCore(at.endpoint, &minio.Options{
		Creds: s3Credentials(o), Secure: at.secure, Transport: transport, Region: region, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", at.endpoint, err)
	}
	return &s3{at: at, url: location, core: core}, nil
}

// s3Credentials looks where AWS's own tools do: environment, files, the machine's role.
func s3Credentials(o Options) *credentials.Credentials {
	if id, secret := o.Getenv("AWS_ACCESS_KEY_ID"), o.Getenv("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
		return credentials.NewStaticV4(id, secret, o.Getenv("AWS_SESSION_TOKEN"))
	}
	file := o.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if file == "" {
		file = filepath.Join(o.Home, ".aws", "credentials")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.FileAWSCredentials{Filename: file, Profile: o.Getenv("AWS_PROFILE")},
		&credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}},
	})
}

func (s *s3) Place() string { return s.url }
func (s *s3) Close() error  { return nil }

func (s *s3) key(name string) string { return s.at.prefix + name }

// put has the server check the bytes: by their SHA-256 where that is known, else by MD5.
func (s *s3) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum string) error {
	// Without TLS minio would else sign each 64 KiB, hashing all of it once more.
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: sum != ""}
	if size > onePiece {
		o.PartSize, o.SendContentMd5, o.NumThreads, o.DisableContentSha256 = partSize, true, 2, false
		_, err := s.core.Client.PutObject(ctx, s.at.bucket, s.key(name), body, size, o)
		return s.explain(err)
	}
	_, err := s.core.PutObject(ctx, s.at.bucket, s.key(name), body, size, "", sum, o)
	return s.explain(err)
}

func (s *s3) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	in, info, _, err := s.core.GetObject(ctx, s.at.bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, 0, s.explain(err)
	}
	return in, info.Size, nil
}

func (s *s3) Stat(ctx context.Context, name string) (Info, error) {
	info, err := s.core.StatObject(ctx, s.at.bucket, s.key(name), minio.StatObjectOptions{})
	if err != nil {
		return Info{}, s.explain(err)
	}
	return Info{Size: info.Size, Time: info.LastModified}, nil
}

func (s *s3) List(ctx context.Context, folder string, visit func(string, Info) error) error {
	prefix := s.at.prefix
	if folder != "" {
		prefix = s.key(folder) + "/"
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing when visit ends it
	for o := range s.core.Client.ListObjects(ctx, s.at.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return s.explain(o.Err)
		}
		if strings.HasSuffix(o.Key, "/") {
			continue // what some servers show of a folder
		}
		if err := visit(strings.TrimPrefix(o.Key, s.at.prefix), Info{Size: o.Size, Time: o.LastModified}); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func (s *s3) Remove(ctx context.Context, name string) error {
	return s.explain(s.core.RemoveObject(ctx, s.at.bucket, s.key(name), minio.RemoveObjectOptions{}))
}

func (s *s3) MakeFolders(context.Context, []string) error { return nil }

// tidy ends the uploads in parts that nobody will.
func (s *s3) Tidy(ctx context.Context, before time.Time) error {
	page, err := s.core.ListMultipartUploads(ctx, s.at.bucket, s.key(BlobFolder), "", "", "", listPiece)
	if err != nil {
		return nil //nolint:nilerr // a server may not know this, or not let us; then its own rules clean up
	}
	for _, u := range page.Uploads {
		if u.Initiated.After(before) {
			continue
		}
		if err := s.core.AbortMultipartUpload(ctx, s.at.bucket, u.Key, u.UploadID); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
	return nil
}

// explain gives absence its own error, and says the others without the whole request.
func (s *s3) explain(err error) error {
	if err == nil {
		return nil
	}
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%s does not answer: %w", s.at.endpoint, innermost(failed.Err))
	}
	switch r := minio.ToErrorResponse(err); r.Code {
	case minio.NoSuchKey, "NotFound":
		return fmt.Errorf("%w (%s)", fs.ErrNotExist, r.Code)
	case minio.NoSuchBucket:
		return &refusedError{fmt.Sprintf("there is no bucket %s on %s", s.at.bucket, s.at.endpoint), err}
	case minio.RequestTimeTooSkewed:
		return &refusedError{fmt.Sprintf("the clock of this machine differs too much from that of %s", s.at.endpoint), err}
	}
	return err
}

// refusedError says in our words what a server has answered.
type refusedError struct {
	reason string
	err    error
}

func (e *refusedError) Error() string { return e.reason }
func (e *refusedError) Unwrap() error { return e.err }

// innermost leaves out from where to where a connection was.
func innermost(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// final tells that the server has understood and said no.
func (s *s3) Final(err error) bool {
	r := minio.ErrorResponse{}
	if !errors.As(err, &r) {
		return false
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusConflict:
		return false
	}
	if r.Code == "BadDigest" || r.Code == "RequestTimeout" || r.Code == "IncompleteBody" || r.Code == "XAmzContentSHA256Mismatch" {
		return false
	}
	return r.StatusCode >= 400 && r.StatusCode < 500
}

// IsDenied tells that an S3 server took the keys for wrong, or does not allow what was asked.
func IsDenied(err error) bool {
	r := minio.ErrorResponse{}
	return errors.As(err, &r) && r.Code != minio.RequestTimeTooSkewed && (r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized)
}
