package build

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// maxDockerfile bounds a Dockerfile.
const maxDockerfile = 1 << 20

// dockerfile is a user's Dockerfile as it will be given to the Engine: one
// instruction a line, directives and comments gone, and the names of images
// written out. The Engine's parser may be years older or newer than ours; in
// this form neither can see another image than the other.
type dockerfile struct {
	lines []string
	stage []int // indexes in lines of the FROM instructions
	bases []base
	args  []string // names of all ARG instructions
}

// base is an image that a Dockerfile takes from somewhere.
type base struct {
	line int
	ref  string
	from bool // by FROM: its triggers run
}

// refusal is why a Dockerfile may not be built, in one sentence.
type refusal struct {
	line   int
	reason string
}

func (r *refusal) Error() string {
	if r.line == 0 {
		return "Dockerfile: " + r.reason
	}
	return fmt.Sprintf("Dockerfile line %d: %s", r.line, r.reason)
}

func refuse(line int, format string, args ...any) error {
	return &refusal{line, fmt.Sprintf(format, args...)}
}

var (
	// plainRef is what the name of an image may consist of: nothing that a
	// parser expands, unquotes or splits.
	plainRef = regexp.MustCompile(`^[A-Za-z0-9\[][A-Za-z0-9._/:@\[\]-]{0,511}$`)
	// continued lines would be joined with the next one.
	continued = regexp.MustCompile(`\\[ \t]*$`)
)

// parseDockerfile reads a Dockerfile. args are the build arguments that the
// Engine will be given.
func parseDockerfile(src []byte, args map[string]string) (*dockerfile, error) {
	if len(src) > maxDockerfile {
		return nil, refuse(0, "it is larger than %d bytes", maxDockerfile)
	}
	parsed, err := parser.Parse(bytes.NewReader(src))
	if err != nil {
		return nil, refuse(0, "%v", err)
	}
	if parsed.EscapeToken != parser.DefaultEscapeToken {
		return nil, refuse(0, "the escape directive is not supported")
	}
	r := &reader{args: args, meta: map[string]string{}, earlier: map[string]bool{}, growth: growth{}}
	for name, value := range platformArgs {
		r.meta[name] = value
	}
	for _, node := range parsed.AST.Children {
		if err := r.read(node); err != nil {
			return nil, err
		}
	}
	if len(r.file.stage) == 0 {
		return nil, refuse(0, "it has no FROM")
	}
	return &r.file, nil
}

// platformArgs are known to FROM without being declared. The Engine's builder
// does not know them; there is one platform to build on and for.
var platformArgs = map[string]string{
	"BUILDPLATFORM": nativePlatform, "TARGETPLATFORM": nativePlatform,
	"BUILDOS": "linux", "TARGETOS": "linux", "BUILDARCH": nativeArch, "TARGETARCH": nativeArch,
}

// reader goes through a Dockerfile from top to bottom, as the Engine does.
type reader struct {
	file    dockerfile
	args    map[string]string // given from outside
	meta    map[string]string // ARG before the first FROM
	earlier map[string]bool   // names of the finished stages
	current string            // name of the stage being read
	growth  growth
}

func (r *reader) read(node *parser.Node) error {
	if err := checkLine(node); err != nil {
		return err
	}
	if err := r.growth.note(node); err != nil {
		return err
	}
	line := node.Original
	switch strings.ToLower(node.Value) {
	case command.From:
		from, err := r.from(node)
		if err != nil {
			return err
		}
		r.file.stage = append(r.file.stage, len(r.file.lines))
		line = from
	case command.Arg:
		if err := r.arg(node); err != nil {
			return err
		}
	case command.Onbuild:
		// Nobody may build on this image, but then there is no need for it.
		if node.Next == nil || len(node.Next.Children) == 0 {
			return refuse(node.StartLine, "ONBUILD without an instruction")
		}
		if err := checkTrigger(node.Next.Children[0]); err != nil {
			return refuse(node.StartLine, "%v", err)
		}
	default:
		source, err := checkInstruction(node)
		if err != nil {
			return refuse(node.StartLine, "%v", err)
		}
		if source != "" {
			if err := r.copyFrom(node.StartLine, source); err != nil {
				return err
			}
		}
	}
	if len(r.file.stage) == 0 && !strings.EqualFold(node.Value, command.Arg) {
		return refuse(node.StartLine, "%s comes before FROM", strings.ToUpper(node.Value))
	}
	r.file.lines = append(r.file.lines, line)
	return nil
}

// checkLine refuses what another parser could split or join differently.
func checkLine(node *parser.Node) error {
	switch {
	case len(node.Heredocs) > 0:
		return refuse(node.StartLine, "here-documents need BuildKit, which is not used here")
	case strings.ContainsAny(node.Original, "\n\r\x00"):
		return refuse(node.StartLine, "it has a control character")
	case continued.MatchString(node.Original):
		return refuse(node.StartLine, "it ends with a backslash")
	case strings.HasPrefix(strings.TrimSpace(node.Original), "#"):
		return refuse(node.StartLine, "it cannot be read")
	}
	return checkFlags(node)
}

// checkFlags makes sure that flags stand in the text as they were read.
func checkFlags(node *parser.Node) error {
	words := strings.Fields(node.Original)
	if len(words) == 0 || words[0] != node.Value {
		return refuse(node.StartLine, "it cannot be read")
	}
	words = words[1:]
	for i, flag := range node.Flags {
		if i >= len(words) || words[i] != flag || strings.ContainsAny(flag, `"'\$`) && strings.HasPrefix(flag, "--from") {
			return refuse(node.StartLine, "its flags must be plain text, such as --from=name")
		}
	}
	return nil
}

func (r *reader) from(node *parser.Node) (string, error) {
	instruction, err := instructions.ParseInstruction(node)
	if err != nil {
		return "", refuse(node.StartLine, "%v", cause(err))
	}
	stage := instruction.(*instructions.Stage)
	ref, err := r.expand(stage.BaseName)
	if err != nil {
		return "", refuse(node.StartLine, "%v", err)
	}
	if !plainRef.MatchString(ref) {
		return "", refuse(node.StartLine, "%q is not the name of an image", ref)
	}
	if r.current != "" {
		r.earlier[r.current] = true
	}
	r.current = strings.ToLower(stage.Name)
	if !r.earlier[strings.ToLower(ref)] && ref != "scratch" {
		r.file.bases = append(r.file.bases, base{line: node.StartLine, ref: ref, from: true})
	}
	text := "FROM "
	platform, err := r.expand(stage.Platform)
	if err != nil {
		return "", refuse(node.StartLine, "%v", err)
	}
	switch {
	case platform == "" || platform == nativePlatform:
	case plainRef.MatchString(platform):
		text += "--platform=" + platform + " "
	default:
		return "", refuse(node.StartLine, "%q is not a platform", platform)
	}
	text += ref
	if stage.Name != "" {
		text += " AS " + stage.Name
	}
	return text, nil
}

// copyFrom notes the image behind a --from that is no stage.
func (r *reader) copyFrom(line int, source string) error {
	if !plainRef.MatchString(source) {
		return refuse(line, "%q is neither a stage nor the name of an image", source)
	}
	if r.earlier[strings.ToLower(source)] {
		return nil
	}
	if n, err := strconv.Atoi(source); err == nil {
		if n < 0 || n >= len(r.file.stage)-1 {
			return refuse(line, "there is no earlier stage %d", n)
		}
		return nil
	}
	r.file.bases = append(r.file.bases, base{line: line, ref: source})
	return nil
}

// arg notes the name of a build argument and, before the first FROM, its
// value.
func (r *reader) arg(node *parser.Node) error {
	instruction, err := instructions.ParseInstruction(node)
	if err != nil {
		return refuse(node.StartLine, "%v", cause(err))
	}
	for _, arg := range instruction.(*instructions.ArgCommand).Args {
		r.file.args = append(r.file.args, arg.Key)
		if len(r.file.stage) > 0 {
			continue
		}
		if given, ok := r.args[arg.Key]; ok {
			r.meta[arg.Key] = given
		} else if arg.Value != nil {
			if r.meta[arg.Key], err = r.expand(*arg.Value); err != nil {
				return refuse(node.StartLine, "%v", err)
			}
		}
	}
	return nil
}

func (r *reader) expand(word string) (string, error) {
	if len(word) > maxWord || r.growth.size(word) > maxVariable {
		return "", errors.New("its variables are too large")
	}
	env := make([]string, 0, len(r.meta))
	for name, value := range r.meta {
		env = append(env, name+"="+value)
	}
	text, _, err := shell.NewLex(parser.DefaultEscapeToken).ProcessWord(word, shell.EnvsFromSlice(env))
	return text, err
}

// checkInstruction refuses what no instruction may do whatever the stage, and
// returns the value of --from, if any.
func checkInstruction(node *parser.Node) (from string, err error) {
	name := strings.ToUpper(node.Value)
	switch strings.ToLower(node.Value) {
	case command.Run:
		if len(node.Flags) > 0 {
			return "", fmt.Errorf("RUN %s needs BuildKit, which is not used here", node.Flags[0])
		}
	case command.Label:
		for n, i := node.Next, 0; n != nil; n, i = n.Next, i+1 {
			if i%3 == 0 && reserved(n.Value) { // name, value, separator
				return "", fmt.Errorf("labels that begin with deis. belong to the platform")
			}
		}
	case command.Copy:
		instruction, err := instructions.ParseInstruction(node)
		if err != nil {
			return "", cause(err)
		}
		return instruction.(*instructions.CopyCommand).From, nil
	case command.Add:
		instruction, err := instructions.ParseInstruction(node)
		if err != nil {
			return "", cause(err)
		}
		for _, source := range instruction.(*instructions.AddCommand).SourcePaths {
			if maybeURL(source) {
				return "", fmt.Errorf("ADD takes no URL here; use RUN with curl or wget")
			}
		}
	case command.From, command.Arg, command.Onbuild:
		return "", fmt.Errorf("%s is not possible here", name)
	}
	return "", nil
}

// checkTrigger refuses an instruction that will run in another build, where
// stages have other names.
func checkTrigger(node *parser.Node) error {
	if err := checkLine(node); err != nil {
		return fmt.Errorf("ONBUILD: %w", err)
	}
	if strings.EqualFold(node.Value, command.Arg) {
		return nil
	}
	from, err := checkInstruction(node)
	if err != nil {
		return fmt.Errorf("ONBUILD: %w", err)
	}
	if from != "" {
		return fmt.Errorf("ONBUILD with COPY --from is not possible here")
	}
	return nil
}

// checkTriggers is checkTrigger for those that an image carries.
func checkTriggers(triggers []string) error {
	for _, t := range triggers {
		parsed, err := parser.Parse(strings.NewReader(t))
		if err != nil || len(parsed.AST.Children) != 1 || parsed.EscapeToken != parser.DefaultEscapeToken {
			return fmt.Errorf("it has an ONBUILD instruction that cannot be read")
		}
		if err := checkTrigger(parsed.AST.Children[0]); err != nil {
			return err
		}
	}
	return nil
}

var unquote = strings.NewReplacer(`"`, "", `'`, "", `\`, "")

// reserved says whether a label's name is, or may become, one of the
// platform's.
func reserved(name string) bool {
	name = unquote.Replace(name)
	return strings.HasPrefix(name, "deis.") || strings.Contains(name, "$")
}

// maybeURL says whether a source is a URL, or may become one when variables
// are expanded.
func maybeURL(source string) bool {
	source = strings.ToLower(unquote.Replace(source))
	before, _, variable := strings.Cut(source, "$")
	for _, scheme := range []string{"http://", "https://"} {
		if strings.HasPrefix(source, scheme) || variable && strings.HasPrefix(scheme, before) {
			return true
		}
	}
	return variable && strings.HasPrefix(before, "http")
}

// cause is err without the parser's own words for the place.
func cause(err error) error {
	type unwrapper interface{ Unwrap() error }
	for {
		u, ok := err.(unwrapper)
		if !ok || u.Unwrap() == nil {
			return err
		}
		err = u.Unwrap()
	}
}

// render writes the Dockerfile for the Engine: after each FROM what marks the
// stage, at the end what goes into the image.
func (d *dockerfile) render(mark, last string) []byte {
	var out bytes.Buffer
	for i, line := range d.lines {
		fmt.Fprintln(&out, line)
		if slices.Contains(d.stage, i) && mark != "" {
			fmt.Fprintln(&out, mark)
		}
	}
	fmt.Fprintln(&out, last)
	return out.Bytes()
}
