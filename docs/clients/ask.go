// Asks Sidegate with Go's standard library: go run ask.go 'bob edit order o-1' 'bob delete order o-1'
//
// Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Sidegate asks one sidecar. It keeps its connections, and may be shared by goroutines.
type Sidegate struct {
	url, token string
	client     *http.Client
}

// New makes a client whose questions have a second each.
func New(url, token string) *Sidegate {
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sidegate{url, token, &http.Client{Timeout: time.Second, CheckRedirect: refuse}}
}

type object = map[string]any

// May says whether the user may do it.
func (s *Sidegate) May(user, action, resourceType, resourceID string) bool {
	allowed, err := s.ask(object{
		"subject":  object{"type": "user", "id": user},
		"action":   object{"name": action},
		"resource": object{"type": resourceType, "id": resourceID},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "denied, since nobody said yes:", err)
		return false
	}
	return allowed
}

func (s *Sidegate) ask(question object) (bool, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequest(http.MethodPost, s.url+"/access/v1/evaluation", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	// Read to its end in any case: otherwise the connection is not used again.
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d: %.200s", response.StatusCode, text)
	}
	var answer struct {
		Decision bool
		Context  struct {
			ID     string
			Reason struct{ Code string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, err
	}
	// The id leads to the record in the audit log.
	fmt.Fprintf(os.Stderr, "decision %s: %s\n", answer.Context.ID, answer.Context.Reason.Code)
	return answer.Decision, nil
}

func main() {
	sidegate := New(cmp.Or(os.Getenv("SIDEGATE_URL"), "http://127.0.0.1:8480"), os.Getenv("SIDEGATE_TOKEN"))
	for _, asked := range os.Args[1:] {
		words := strings.Fields(asked)
		if len(words) == 4 && sidegate.May(words[0], words[1], words[2], words[3]) {
			fmt.Println("allow")
		} else {
			fmt.Println("deny")
		}
	}
}
