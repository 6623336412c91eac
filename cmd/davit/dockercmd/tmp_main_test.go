package dockercmd
import "testing"
func TestX(t *testing.T){}
