"""Projects that use Millrace as a dependency."""
