package engine

import (
	"github.com/docker/docker/client"
	"github.com/opencontainers/image-spec/specs-go/v1"
)

// CommandAPI is the engine's whole API as docker's own commands use it. It is for cmd/davit, which runs those commands
// and puts itself between them and the engine; everything else uses [Engine].
type CommandAPI = client.APIClient

// The options of [CommandAPI]'s methods that cmd/davit passes on.
type (
	LoadOption    = client.ImageLoadOption
	SaveOption    = client.ImageSaveOption
	InspectOption = client.ImageInspectOption
	HistoryOption = client.ImageHistoryOption
)

// SavePlatform makes a save write one platform of an image only.
func SavePlatform(platform v1.Platform) SaveOption { return client.ImageSaveWithPlatforms(platform) }
