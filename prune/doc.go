// Package prune frees the disk of a Docker host by policy: it reads what the engine holds, decides object by object
// with a reason, says what the decision frees, removes exactly that, and can bring it back.
//
// # Words
//
//   - object: a container, an image, a volume, a network or a record of the build cache.
//   - unit: something on the disk that objects hold together: a layer, a blob, a volume's files. It is freed when the
//     last object that holds it goes, and counts for that one. A column of such increments adds up to what the whole
//     plan frees, which no sum of sizes does.
//   - in use: needed by an object that stays (a container needs its image, volumes and networks, an image the one it
//     was built on), or pinned by something that is no object (a running process, a swarm service, a mount).
//     What cannot be told counts as in use.
//   - arrived: when an object came to this host. An image's build date says nothing about that.
//   - plan: one verdict and its reason for every object, kept ones too. It is a value, and may be a file.
//   - run: one Apply. Its record is written before each deed, so that a killed run leaves its history, and undo its
//     sources.
//
// # Guarantees
//
// What a policy protects, and what is in use, is never in a plan. Apply removes by id, never with force and never by
// the engine's own prune of images; it looks at each object again just before, and leaves what changed. An image
// loses its names one by one, each only if it still names the planned image. What is to be archived is archived,
// verified and recorded before anything of it goes.
//
// Read, Decide and the accounting are separate from Apply: a plan that is shown is the plan that is carried out.
package prune
