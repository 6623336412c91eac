package engine

import "context"

// OwnLabels are the labels that were set on the container itself, without those it merely
// inherits from its image. A label set to the very value that the image has counts as
// inherited, and when the image is gone, so that nobody can tell, all of them do.
func (e *Engine) OwnLabels(ctx context.Context, c Container) (map[string]string, error) {
	own := make(map[string]string)
	if len(c.Labels) == 0 {
		return own, nil
	}
	image, err := e.InspectImage(ctx, c.ImageID)
	if IsNotFound(err) {
		return own, nil
	}
	if err != nil {
		return nil, err
	}
	for k, v := range c.Labels {
		if inherited, ok := image.Labels[k]; !ok || inherited != v {
			own[k] = v
		}
	}
	return own, nil
}
