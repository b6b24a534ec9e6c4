// breaks: import

package checked

import "os"

func read(name string) ([]byte, error) { return os.ReadFile(name) }
