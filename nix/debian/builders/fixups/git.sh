# git looks for its commands and templates where Debian has them; the wrapper says where they are.
# Its server parts and the program itself are one binary under several names.
for name in git-receive-pack git-upload-archive git-upload-pack; do
  ln -sfn git "$out/bin/$name"
done
after_patching() {
  wrap git "GIT_EXEC_PATH=$out/lib/git-core" "GIT_TEMPLATE_DIR=$out/share/git-core/templates"
  ln -sfn "$out/bin/.git-wrapped" "$out/lib/git-core/git"
}
