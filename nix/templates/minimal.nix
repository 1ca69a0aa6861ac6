{
  title = "Minimal";
  description = "A shell, SSH and the usual core programs. Starts fastest and takes the least room.";
  icon = "terminal";
  packages = [ ];
  module = { };
}
