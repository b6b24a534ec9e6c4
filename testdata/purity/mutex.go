// breaks: import

package checked

import "sync"

var lock sync.Mutex
