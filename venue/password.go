package venue

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Password is the link's password at the exchange. It prints as "(hidden)".
type Password string

// String hides the password.
func (p Password) String() string { return "(hidden)" }

// GoString hides the password.
func (p Password) GoString() string { return "(hidden)" }

// MarshalText hides the password from logs and encoders.
func (p Password) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

// MostPassword is the longest password, in bytes, that the exchange's Logon has room for.
const MostPassword = 16

// ErrPassword is wrapped by the errors of ReadPassword, which never show what was read.
var ErrPassword = errors.New("the exchange password")

// ReadPassword reads the password from a file, whose last line ending is dropped, or from an environment variable when
// file is empty. A password is never a flag: flags are seen by everybody on the machine.
func ReadPassword(file, variable string) (Password, error) {
	var text, from string
	switch {
	case file != "":
		from = "file " + file
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrPassword, err)
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	default:
		from = "variable " + variable
		text = os.Getenv(variable)
	}
	switch {
	case text == "":
		return "", fmt.Errorf("%w: %s is empty", ErrPassword, from)
	case len(text) > MostPassword:
		return "", fmt.Errorf("%w: %s has %d bytes, at most %d are possible", ErrPassword, from, len(text), MostPassword)
	case text[0] == ' ':
		return "", fmt.Errorf("%w: %s begins with a space", ErrPassword, from)
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return "", fmt.Errorf("%w: %s has a byte at %d that is not printable ASCII", ErrPassword, from, i)
		}
	}
	return Password(text), nil
}
