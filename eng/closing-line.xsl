<?xml version="1.0" encoding="utf-8"?>
<!-- The counters of all TRX files as one line. What neither passed nor failed (ignored, inconclusive) was skipped. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="http://microsoft.com/schemas/VisualStudio/TeamTest/2010" exclude-result-prefixes="t">
  <xsl:output method="text" encoding="us-ascii" />
  <xsl:template match="/">
    <xsl:variable name="passed" select="sum(//t:Counters/@passed)" />
    <xsl:variable name="failed" select="sum(//t:Counters/@failed)" />
    <xsl:value-of select="concat($passed, ' passed, ', $failed, ' failed, ', sum(//t:Counters/@total) - $passed - $failed, ' skipped&#10;')" />
  </xsl:template>
</xsl:stylesheet>
