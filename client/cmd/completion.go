package cmd

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

func completionVerbs(f *Factory) []*verb { return []*verb{newCompletion(f, nil)} }

// shells are those that a script can be printed for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

type completionOptions struct {
	*Factory
	Shell string
}

func newCompletion(f *Factory, runF func(context.Context, *completionOptions) error) *verb {
	o := &completionOptions{Factory: f}
	v := newVerb("completion", "print the script that lets a shell complete commands", `
Prints the script that lets a shell complete commands at the TAB key: their names
and options, and what the controller knows, such as apps, process types, releases,
domains and the names of variables.

For the shells to come:

  deis completion bash >~/.local/share/bash-completion/completions/deis
  deis completion zsh >~/.zfunc/_deis     # a folder of fpath, before compinit
  deis completion fish >~/.config/fish/completions/deis.fish
  deis completion powershell >>$PROFILE

For this one:

  bash        source <(deis completion bash)
  zsh         source <(deis completion zsh)
  fish        deis completion fish | source
  powershell  deis completion powershell | Out-String | Invoke-Expression

The folder of bash is that of the package bash-completion; without the package the
script works as well, sourced from ~/.bashrc. What the controller says counts for
half a minute and is kept in ~/.cache/deis ($XDG_CACHE_HOME/deis): names only.`)
	v.required(&o.Shell, "<shell>", "bash, zsh, fish or powershell")
	v.checks = append(v.checks, func() error {
		if !slices.Contains(shells, o.Shell) {
			return v.refuse("the shell is bash, zsh, fish or powershell")
		}
		return nil
	})
	return action(v, o, runF, runCompletion)
}

func runCompletion(_ context.Context, o *completionOptions) error {
	return writeCompletion(newRoot(o.Factory), o.Shell, o.IO.Out)
}

// writeCompletion writes a shell's script, which is cobra's.
func writeCompletion(root *cobra.Command, shell string, out io.Writer) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(out)
	}
	if err := root.GenBashCompletionV2(out, true); err != nil {
		return err
	}
	_, err := io.WriteString(out, bashWords)
	return err
}

// bashWords goes behind cobra's script for bash, which takes the words of the
// line from the package bash-completion. Without that, bash has cut them at
// colons and equals signs, too: what no space stands between is one word.
const bashWords = `
__deis_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i piece rest last line=${COMP_LINE:0:COMP_POINT}
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        rest=${line#"${line%%[![:space:]]*}"}
        [[ $rest == "$piece"* ]] || piece=$rest
        if ((i > 0)) && [[ $rest == "$line" && ( $piece == [:=]* || $last == *[:=] ) ]]; then
            words[${#words[@]}-1]+=$piece
        else
            words+=("$piece")
        fi
        line=${rest#"$piece"} last=$piece
    done
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=
    ((cword == 0)) || prev=${words[cword-1]}
}
`
