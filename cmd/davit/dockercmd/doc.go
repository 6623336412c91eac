// Package dockercmd carries out docker's words: run, ps, images, volume ls and the others, with docker's flags,
// output and exit codes.
//
// They are docker's own commands, from the library that docker's client is made of, so that a line copied from a
// docker manual does the same here. It is that library that talks to the engine for them, by docker's rules for
// --host, --context, DOCKER_HOST and docker's config.
//
// # Words
//
//   - docker's word: the first word of a command line that docker would understand and that is carried out here.
//   - foreign word: one that docker would understand and that is not; see [Foreign].
//
// # What is different from docker
//
//   - The prunes choose what goes by themselves and remove it by id, one by one and never with force. They show it
//     with sizes before they ask, and with --dry-run do nothing else. A volume without the label of an anonymous one
//     counts as named.
//   - save writes .tar.gz and .tar.zst; a file appears whole or not at all. load takes everything that save writes,
//     and xz, whatever the engine understands by itself.
//   - On a terminal, what is listed or inspected cannot contain control characters: names, labels and command lines
//     are chosen by whoever made them. What a container says itself comes through as it is.
//   - Docker's client plugins, their hooks, aliases and content trust commands do not exist.
//
// A [Program] must be run once only: the library keeps the version and the configuration in package variables.
package dockercmd
