package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"davit/backup"
	"davit/backup/repo"
)

// Scheme begins the name of a place.
const Scheme = "oci://"

// Login is what a registry may ask for.
type Login struct{ User, Password, Token string }

// Options are what talking to a registry needs.
type Options struct {
	PlainHTTP bool // also when the registry is not on this machine
	// Login gives what docker knows of a registry; nil, and the zero Login: nothing.
	Login func(host string) (Login, error)
}

// Remote is a place in a registry.
type Remote struct {
	place  string
	client *remote.Repository
}

// IsPlace tells whether a repository's name is that of a place in a registry.
func IsPlace(name string) bool { return strings.HasPrefix(name, Scheme) }

// Dial makes the client for a place; nothing is sent yet. A name that is none is a *backup.UsageError.
func Dial(place string, o Options) (*Remote, error) {
	client, err := remote.NewRepository(strings.TrimPrefix(place, Scheme))
	if err != nil || client.Reference.Reference != "" {
		return nil, &backup.UsageError{Reason: fmt.Sprintf("%q is no place in a registry", place), Hint: "write oci://HOST[:PORT]/NAME, in lower case and without a tag"}
	}
	host := client.Reference.Registry
	client.PlainHTTP = o.PlainHTTP || isLoopback(host)
	client.SkipReferrersGC = true
	client.Client = &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache(), Credential: func(_ context.Context, asked string) (auth.Credential, error) {
		if o.Login == nil || asked != client.Reference.Host() {
			return auth.EmptyCredential, nil
		}
		l, err := o.Login(host)
		return auth.Credential{Username: l.User, Password: l.Password, RefreshToken: l.Token}, err
	}}
	return &Remote{place: place, client: client}, nil
}

func isLoopback(registry string) bool {
	host, _, err := net.SplitHostPort(registry)
	if err != nil {
		host = registry
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsDenied tells that a registry wants a login, or does not let this one do what was asked.
func IsDenied(err error) bool {
	answer := (*errcode.ErrorResponse)(nil)
	if errors.As(err, &answer) {
		return answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden
	}
	return errors.Is(err, auth.ErrBasicCredentialNotFound)
}

// isAbsent tells that a registry does not have what was asked for.
func isAbsent(err error) bool { return errors.Is(err, errdef.ErrNotFound) }

// fetchManifest reads a manifest by tag or digest; a digest is checked.
func (r *Remote) fetchManifest(ctx context.Context, reference string) (ocispec.Descriptor, []byte, error) {
	desc, body, err := r.client.Manifests().FetchReference(ctx, reference)
	if err != nil {
		return desc, nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, repo.MaxManifest+1))
	if err == nil && (int64(len(data)) != desc.Size || repo.DigestOf(data).String() != desc.Digest.String()) {
		err = fmt.Errorf("%s: registry sends something else than %s", reference, desc.Digest)
	}
	return desc, data, err
}

// fetchBlob reads a blob that is held in memory, and checks it.
func (r *Remote) fetchBlob(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > repo.MaxManifest {
		return nil, fmt.Errorf("%s: document of %d bytes", desc.Digest, desc.Size)
	}
	body, err := r.client.Blobs().Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, desc.Size+1))
	if err == nil && repo.DigestOf(data).String() != desc.Digest.String() {
		err = fmt.Errorf("registry sends something else than blob %s", desc.Digest)
	}
	return data, err
}

// snapshots lists the ids of the snapshots that are there. A name that the registry does not know has none.
func (r *Remote) snapshots(ctx context.Context) (ids []string, err error) {
	err = r.client.Tags(ctx, "", func(tags []string) error {
		for _, tag := range tags {
			if isSnapshotID(tag) {
				ids = append(ids, tag)
			}
		}
		return nil
	})
	if isAbsent(err) || notFound(err) {
		return nil, nil
	}
	if request := (*url.Error)(nil); errors.As(err, &request) {
		err = request.Err // the caller names the place, and tells no requests
	}
	return ids, err
}

// notFound knows the answer of registries that say of an unknown name more than that.
func notFound(err error) bool {
	var answer interface{ Unwrap() error }
	return errors.As(err, &answer) && strings.Contains(err.Error(), fmt.Sprintf("response status code %d", http.StatusNotFound))
}

func isSnapshotID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}
